# ruff: noqa: E501 (a table reads best with one meaning on a line)
"""Sentiment: reviews of what the farm sells and shows, with a question and the one-word verdict.

Without a closing verdict every aspect says the same; with one, aspects may disagree and the verdict decides.
"""

from camelid.text.records import Message
from camelid.text.world.draws import Draws, Slots
from camelid.text.world.grammar import Word, noun_word, smooth
from camelid.text.world.lexicon import say, table
from camelid.text.world.talk import Told, chat

# What is reviewed: its name, then which aspects it has.
PRODUCTS = table("""
scarf   | wool scarf  | una bufanda de lana/bufandas de lana | der Wollschal/Wollschals | une écharpe en laine/écharpes en laine | cloth
blanket | alpaca blanket | una manta de alpaca/mantas de alpaca | die Alpakadecke/Alpakadecken | une couverture en alpaga/couvertures en alpaga | cloth
sweater | sweater     | un jersey/jerséis     | der Pullover/Pullover   | un pull           | cloth
hat     | hat         | un gorro              | die Mütze/Mützen        | un bonnet         | cloth
rug     | rug         | una alfombra          | der Teppich/Teppiche    | un tapis/tapis    | cloth
cheese  | goat cheese | un queso de cabra/quesos de cabra | der Ziegenkäse/Ziegenkäse | un fromage de chèvre/fromages de chèvre | food
bread   | farm bread  | un pan de la granja/panes de la granja | das Bauernbrot/Bauernbrote | un pain de la ferme/pains de la ferme | food
cake    | apple cake  | un pastel de manzana/pasteles de manzana | der Apfelkuchen/Apfelkuchen | un gâteau aux pommes/gâteaux aux pommes | food
soup    | vegetable soup | una sopa de verduras/sopas de verduras | die Gemüsesuppe/Gemüsesuppen | une soupe de légumes/soupes de légumes | food
shop    | farm shop   | una tienda de la granja/tiendas de la granja | der Hofladen/Hofläden | une boutique de la ferme/boutiques de la ferme | visit
tour    | guided tour | una visita guiada/visitas guiadas | die Führung/Führungen | une visite guidée/visites guidées | visit
cafe    | café        | una cafetería         | das Café/Cafés          | un café           | visit
walk    | llama walk  | un paseo con llamas/paseos con llamas | die Lamawanderung/Lamawanderungen | une promenade avec les lamas/promenades avec les lamas | visit
""")

# Aspects by kind: good twice, bad twice. {x} is the product, for its gender.
_ASPECTS: dict[str, dict[str, dict[str, tuple[str, str, str, str]]]] = {
    "cloth": {
        "wool": {
            "en": (
                "the wool is wonderfully soft.",
                "{x:the} feels soft and light.",
                "the wool scratches terribly.",
                "{x:the} feels hard and rough.",
            ),
            "es": (
                "la lana es maravillosamente suave.",
                "{x:the} es suave y {x:ligero/ligera}.",
                "la lana pica muchísimo.",
                "{x:the} es {x:duro/dura} y {x:áspero/áspera}.",
            ),
            "de": (
                "die Wolle ist wunderbar weich.",
                "{x:the} fühlt sich weich und leicht an.",
                "die Wolle kratzt furchtbar.",
                "{x:the} fühlt sich hart und rau an.",
            ),
            "fr": (
                "la laine est merveilleusement douce.",
                "{x:the} est {x:doux/douce} et {x:léger/légère}.",
                "la laine gratte énormément.",
                "{x:the} est {x:dur/dure} et {x:rêche/rêche}.",
            ),
        },
        "warmth": {
            "en": (
                "{x:the} keeps me warm even in winter.",
                "{x:the} is very warm.",
                "{x:the} does not keep me warm at all.",
                "{x:the} is much too thin.",
            ),
            "es": (
                "{x:the} abriga incluso en invierno.",
                "{x:the} abriga mucho.",
                "{x:the} no abriga nada.",
                "{x:the} es demasiado {x:fino/fina}.",
            ),
            "de": (
                "{x:the} hält sogar im Winter warm.",
                "{x:the} ist sehr warm.",
                "{x:the} hält überhaupt nicht warm.",
                "{x:the} ist viel zu dünn.",
            ),
            "fr": (
                "{x:the} tient chaud même en hiver.",
                "{x:the} est très {x:chaud/chaude}.",
                "{x:the} ne tient pas chaud du tout.",
                "{x:the} est beaucoup trop {x:fin/fine}.",
            ),
        },
        "color": {
            "en": (
                "the colour is beautiful.",
                "the colour looks just like in the picture.",
                "the colour is ugly.",
                "the colour faded after one wash.",
            ),
            "es": (
                "el color es precioso.",
                "el color es igual que en la foto.",
                "el color es feo.",
                "el color se fue con el primer lavado.",
            ),
            "de": (
                "die Farbe ist wunderschön.",
                "die Farbe ist genau wie auf dem Foto.",
                "die Farbe ist hässlich.",
                "die Farbe war nach einer Wäsche weg.",
            ),
            "fr": (
                "la couleur est magnifique.",
                "la couleur est la même que sur la photo.",
                "la couleur est laide.",
                "la couleur est partie au premier lavage.",
            ),
        },
        "quality": {
            "en": (
                "the quality is excellent.",
                "after a year {x:the} still looks new.",
                "the quality is poor.",
                "after a week {x:the} already had a hole.",
            ),
            "es": (
                "la calidad es excelente.",
                "después de un año {x:the} sigue como {x:nuevo/nueva}.",
                "la calidad es mala.",
                "después de una semana {x:the} ya tenía un agujero.",
            ),
            "de": (
                "die Qualität ist ausgezeichnet.",
                "nach einem Jahr sieht {x:the} noch wie neu aus.",
                "die Qualität ist schlecht.",
                "nach einer Woche hatte {x:the} schon ein Loch.",
            ),
            "fr": (
                "la qualité est excellente.",
                "après un an, {x:the} est encore comme {x:neuf/neuve}.",
                "la qualité est mauvaise.",
                "après une semaine, {x:the} avait déjà un trou.",
            ),
        },
        "delivery": {
            "en": (
                "the delivery was fast.",
                "the parcel arrived the next day.",
                "the delivery took three weeks.",
                "the parcel arrived late and damaged.",
            ),
            "es": (
                "el envío fue rápido.",
                "el paquete llegó al día siguiente.",
                "el envío tardó tres semanas.",
                "el paquete llegó tarde y roto.",
            ),
            "de": (
                "die Lieferung war schnell.",
                "das Paket kam am nächsten Tag an.",
                "die Lieferung hat drei Wochen gedauert.",
                "das Paket kam spät und beschädigt an.",
            ),
            "fr": (
                "la livraison a été rapide.",
                "le colis est arrivé le lendemain.",
                "la livraison a pris trois semaines.",
                "le colis est arrivé en retard et abîmé.",
            ),
        },
    },
    "food": {
        "taste": {
            "en": (
                "{x:the} tastes delicious.",
                "the taste is fantastic.",
                "{x:the} tastes of nothing.",
                "the taste is horrible.",
            ),
            "es": (
                "{x:the} está {x:delicioso/deliciosa}.",
                "el sabor es fantástico.",
                "{x:the} no sabe a nada.",
                "el sabor es horrible.",
            ),
            "de": (
                "{x:the} schmeckt köstlich.",
                "der Geschmack ist fantastisch.",
                "{x:the} schmeckt nach nichts.",
                "der Geschmack ist schrecklich.",
            ),
            "fr": (
                "{x:the} est {x:délicieux/délicieuse}.",
                "le goût est fantastique.",
                "{x:the} n'a aucun goût.",
                "le goût est horrible.",
            ),
        },
        "fresh": {
            "en": (
                "{x:the} was completely fresh.",
                "you can smell how fresh {x:the} is.",
                "{x:the} was not fresh.",
                "{x:the} was old and dry.",
            ),
            "es": (
                "{x:the} estaba {x:fresquísimo/fresquísima}.",
                "se nota que {x:the} es muy {x:fresco/fresca}.",
                "{x:the} no estaba {x:fresco/fresca}.",
                "{x:the} estaba {x:rancio/rancia}.",
            ),
            "de": (
                "{x:the} war ganz frisch.",
                "man riecht, wie frisch {x:the} ist.",
                "{x:the} war nicht frisch.",
                "{x:the} war alt und verdorben.",
            ),
            "fr": (
                "{x:the} était très {x:frais/fraîche}.",
                "on sent que {x:the} est bien {x:frais/fraîche}.",
                "{x:the} n'était pas {x:frais/fraîche}.",
                "{x:the} était {x:vieux/vieille} et {x:immangeable/immangeable}.",
            ),
        },
        "portion": {
            "en": (
                "the portion was generous.",
                "one portion is enough for two.",
                "the portion was tiny.",
                "I was still hungry afterwards.",
            ),
            "es": (
                "la porción era generosa.",
                "una porción basta para dos.",
                "la porción era diminuta.",
                "después todavía tenía hambre.",
            ),
            "de": (
                "die Portion war großzügig.",
                "eine Portion reicht für zwei.",
                "die Portion war winzig.",
                "danach hatte ich immer noch Hunger.",
            ),
            "fr": (
                "la portion était généreuse.",
                "une portion suffit pour deux.",
                "la portion était minuscule.",
                "après, j'avais encore faim.",
            ),
        },
    },
    "visit": {
        "staff": {
            "en": (
                "the people are very friendly.",
                "we were warmly welcomed.",
                "the people are unfriendly.",
                "nobody greeted us.",
            ),
            "es": (
                "la gente es muy amable.",
                "nos recibieron con mucho cariño.",
                "la gente es antipática.",
                "nadie nos saludó.",
            ),
            "de": (
                "die Leute sind sehr freundlich.",
                "wir wurden herzlich empfangen.",
                "die Leute sind unfreundlich.",
                "niemand hat uns begrüßt.",
            ),
            "fr": (
                "les gens sont très gentils.",
                "nous avons été accueillis chaleureusement.",
                "les gens sont désagréables.",
                "personne ne nous a salués.",
            ),
        },
        "wait": {
            "en": (
                "we did not have to wait.",
                "everything went quickly.",
                "we had to wait for an hour.",
                "everything took far too long.",
            ),
            "es": (
                "no tuvimos que esperar.",
                "todo fue rápido.",
                "tuvimos que esperar una hora.",
                "todo duró demasiado.",
            ),
            "de": (
                "wir mussten nicht warten.",
                "alles ging schnell.",
                "wir mussten eine Stunde warten.",
                "alles hat viel zu lange gedauert.",
            ),
            "fr": (
                "nous n'avons pas dû attendre.",
                "tout est allé vite.",
                "nous avons dû attendre une heure.",
                "tout a duré beaucoup trop longtemps.",
            ),
        },
        "clean": {
            "en": (
                "everything was clean.",
                "the place is lovely.",
                "everything was dirty.",
                "the place is cold and dark.",
            ),
            "es": (
                "todo estaba limpio.",
                "el lugar es encantador.",
                "todo estaba sucio.",
                "el lugar es frío y oscuro.",
            ),
            "de": (
                "alles war sauber.",
                "der Ort ist wunderschön.",
                "alles war schmutzig.",
                "der Ort ist kalt und dunkel.",
            ),
            "fr": (
                "tout était propre.",
                "l'endroit est charmant.",
                "tout était sale.",
                "l'endroit est froid et sombre.",
            ),
        },
        "children": {
            "en": (
                "the children had a lot of fun.",
                "the children did not want to leave.",
                "the children were bored.",
                "the children wanted to leave at once.",
            ),
            "es": (
                "los niños se divirtieron mucho.",
                "los niños no querían irse.",
                "los niños se aburrieron.",
                "los niños querían irse enseguida.",
            ),
            "de": (
                "die Kinder hatten viel Spaß.",
                "die Kinder wollten nicht gehen.",
                "die Kinder haben sich gelangweilt.",
                "die Kinder wollten sofort gehen.",
            ),
            "fr": (
                "les enfants se sont bien amusés.",
                "les enfants ne voulaient pas partir.",
                "les enfants se sont ennuyés.",
                "les enfants voulaient partir tout de suite.",
            ),
        },
    },
}
_PRICE = {
    "en": (
        "the price is fair.",
        "you get a lot for your money.",
        "the price is far too high.",
        "you get very little for your money.",
    ),
    "es": (
        "el precio es justo.",
        "se recibe mucho por el dinero.",
        "el precio es demasiado alto.",
        "se recibe muy poco por el dinero.",
    ),
    "de": (
        "der Preis ist fair.",
        "man bekommt viel für sein Geld.",
        "der Preis ist viel zu hoch.",
        "man bekommt sehr wenig für sein Geld.",
    ),
    "fr": (
        "le prix est juste.",
        "on en a pour son argent.",
        "le prix est beaucoup trop élevé.",
        "on en a très peu pour son argent.",
    ),
}
for _kind in _ASPECTS.values():
    _kind["price"] = _PRICE

# Every review begins by naming what it is about.
_BEGINNINGS: dict[str, Told] = {
    "cloth": {
        "en": "I ordered {x:a} online.",
        "es": "pedí {x:a} por internet.",
        "de": "ich habe {x:a.acc} online bestellt.",
        "fr": "j'ai commandé {x:a} sur Internet.",
    },
    "food": {
        "en": "I tried {x:the}.",
        "es": "probé {x:the}.",
        "de": "ich habe {x:the.acc} probiert.",
        "fr": "j'ai goûté {x:the}.",
    },
    "visit": {
        "en": "{x:the} was recommended to us.",
        "es": "nos recomendaron {x:the}.",
        "de": "man hat uns {x:the.acc} empfohlen.",
        "fr": "on nous a recommandé {x:the}.",
    },
}

# The closing verdict: five good, five bad.
_VERDICTS = {
    "en": (
        "all in all, I am very happy with {x:the}.",
        "I can warmly recommend {x:the}.",
        "I would choose {x:the} again at once.",
        "in the end, I am delighted.",
        "overall, a very good experience.",
        "all in all, I am very unhappy with {x:the}.",
        "I cannot recommend {x:the}.",
        "I would never choose {x:the} again.",
        "in the end, I am disappointed.",
        "overall, a very bad experience.",
    ),
    "es": (
        "en general, estoy muy {me:contento/contenta} con {x:the}.",
        "recomiendo de corazón {x:the}.",
        "elegiría otra vez {x:the} sin dudarlo.",
        "al final, estoy {me:encantado/encantada}.",
        "en conjunto, una experiencia muy buena.",
        "en general, estoy muy {me:descontento/descontenta} con {x:the}.",
        "no puedo recomendar {x:the}.",
        "nunca más elegiría {x:the}.",
        "al final, estoy {me:decepcionado/decepcionada}.",
        "en conjunto, una experiencia muy mala.",
    ),
    "de": (
        "insgesamt bin ich mit {x:the.dat} sehr zufrieden.",
        "ich kann {x:the.acc} wärmstens empfehlen.",
        "ich würde {x:the.acc} sofort wieder wählen.",
        "am Ende bin ich begeistert.",
        "alles in allem eine sehr gute Erfahrung.",
        "insgesamt bin ich mit {x:the.dat} sehr unzufrieden.",
        "ich kann {x:the.acc} nicht empfehlen.",
        "ich würde {x:the.acc} nie wieder wählen.",
        "am Ende bin ich enttäuscht.",
        "alles in allem eine sehr schlechte Erfahrung.",
    ),
    "fr": (
        "dans l'ensemble, je suis très {me:content/contente} de {x:the}.",
        "je recommande vivement {x:the}.",
        "je choisirais de nouveau {x:the} sans hésiter.",
        "au final, je suis {me:ravi/ravie}.",
        "en somme, une très bonne expérience.",
        "dans l'ensemble, je suis très {me:mécontent/mécontente} de {x:the}.",
        "je ne peux pas recommander {x:the}.",
        "je ne choisirais plus jamais {x:the}.",
        "au final, je suis {me:déçu/déçue}.",
        "en somme, une très mauvaise expérience.",
    ),
}
_CONTRAST = {"en": "but {}", "es": "pero {}", "de": "aber {}", "fr": "mais {}"}
_QUESTIONS = {
    "en": (
        "Is this review positive or negative?\n{review}",
        "Positive or negative? {review}",
        "{review}\nIs the customer's opinion positive or negative?",
        "What is the mood of this review, positive or negative?\n{review}",
    ),
    "es": (
        "¿Esta reseña es positiva o negativa?\n{review}",
        "¿Positiva o negativa? {review}",
        "{review}\n¿La opinión del cliente es positiva o negativa?",
        "¿Cómo es esta reseña, positiva o negativa?\n{review}",
    ),
    "de": (
        "Ist diese Bewertung positiv oder negativ?\n{review}",
        "Positiv oder negativ? {review}",
        "{review}\nIst die Meinung des Kunden positiv oder negativ?",
        "Wie ist diese Bewertung, positiv oder negativ?\n{review}",
    ),
    "fr": (
        "Cet avis est-il positif ou négatif ?\n{review}",
        "Positif ou négatif ? {review}",
        "{review}\nL'avis du client est-il positif ou négatif ?",
        "Comment est cet avis, positif ou négatif ?\n{review}",
    ),
}
LABELS = {
    "en": ("Positive", "Negative"),
    "es": ("Positiva", "Negativa"),
    "de": ("Positiv", "Negativ"),
    "fr": ("Positif", "Négatif"),
}


def draw(draws: Draws) -> Slots:
    """Return the slots of one review: product, aspects ("wool:2" is the first bad thing to say), verdict."""
    product = draws.of(PRODUCTS)
    bad = draws.chance(0.5)
    kind = _ASPECTS[PRODUCTS[product][4]]
    closes = draws.chance(0.75)
    aspects = draws.some(tuple(kind), draws.number(1 if closes else 2, 3))
    mixed = closes and draws.chance(0.5)
    opinions = []
    for position, aspect in enumerate(aspects):
        opposite = mixed and (position == 0 or draws.chance(0.4))
        opinions.append(f"{aspect}:{draws.number(0, 1) + 2 * (bad != opposite)}")
    verdict = str(draws.number(0, 4) + 5 * bad) if closes else ""
    return {
        "scene": "review",
        "product": product,
        "aspects": " ".join(opinions),
        "verdict": verdict,
        "label": str(int(bad)),
        "_me": draws.one("mf") if verdict in ("0", "3", "5", "8") else "",
        "_question": str(draws.number(0, 3)),
    }


def review(slots: Slots, lang: str) -> str:
    """Return the text of a review; the first aspect that disagrees with the one before begins with "but"."""
    product = noun_word(lang, say(PRODUCTS, slots["product"], lang))
    me = Word({}, int(slots["_me"] == "f"))
    kind = _ASPECTS[PRODUCTS[slots["product"]][4]]
    sentences = [_BEGINNINGS[PRODUCTS[slots["product"]][4]][lang].format(x=product)]
    first_bad, contrasted = None, False
    for opinion in slots["aspects"].split():
        aspect, _, number = opinion.partition(":")
        bad = int(number) > 1
        text = kind[aspect][lang][int(number)].format(x=product)
        turned = first_bad is not None and bad != first_bad and not contrasted
        contrasted = contrasted or turned
        sentences.append(_CONTRAST[lang].format(text) if turned else text)
        first_bad = bad if first_bad is None else first_bad
    if slots["verdict"]:
        verdict = _VERDICTS[lang][int(slots["verdict"])].format(x=product, me=me)
        sentences.append(_CONTRAST[lang].format(verdict) if bad != (slots["label"] == "1") else verdict)
    return smooth(lang, " ".join(sentences))


def write(slots: Slots, lang: str, other: str) -> tuple[Message, ...]:
    """Return a review with the question whether it is positive or negative, and the answer."""
    question = _QUESTIONS[lang][int(slots["_question"])].format(review=review(slots, lang))
    return chat(lang, question, LABELS[lang][int(slots["label"])])
