# ruff: noqa: E501 (a table reads best with one language on a line)
"""Short stories: somebody wants something, something is in the way, somebody helps, and it ends as it began to.

A story is an opening, a plot and a close; every language tells the same scene.
"""

from camelid.text.world.draws import Draws, Slots
from camelid.text.world.grammar import smooth
from camelid.text.world.lexicon import ANIMALS, NAMES, ROLES, is_woman, noun, person, place, role, say, table
from camelid.text.world.talk import Told

_TRAITS = table("""
brave   | brave   | valiente           | mutig      | courageux/courageuse
clever  | clever  | listo/lista        | klug       | malin/maligne
kind    | kind    | amable/amable      | freundlich | aimable/aimable
shy     | shy     | tímido/tímida      | schüchtern | timide/timide
curious | curious | curioso/curiosa    | neugierig  | curieux/curieuse
patient | patient | paciente/paciente  | geduldig   | patient/patiente
cheerful| cheerful | alegre/alegre     | fröhlich   | joyeux/joyeuse
""")

_OPENINGS: dict[str, tuple[str, ...]] = {
    "en": (
        "{who} was a {trait} {job:} who lived {home}.",
        "once upon a time there was a {trait} {job:} called {who}, who had a little house {home}.",
        "everyone in the village knew {who}, the {trait} {job:} who lived {home}.",
    ),
    "es": (
        "{who} era {job:a} {trait} que vivía {home}.",
        "había una vez {job:a} {trait} que se llamaba {who} y tenía una casita {home}.",
        "todos en el pueblo conocían a {who}, {job:the} {trait} que vivía {home}.",
    ),
    "de": (
        "{who} war {who:ein/eine} {trait}{who:er/e} {job:}, {who:der/die} {home} wohnte.",
        "es war einmal {who:ein/eine} {trait}{who:er/e} {job:} namens {who}, {who:der/die} {home} ein kleines Haus hatte.",
        "alle im Dorf kannten {who}, {who:den/die} {trait}{who:en/e} {job_acc}, {who:der/die} {home} wohnte.",
    ),
    "fr": (
        "{who} était {job:a} {trait} qui vivait {home}.",
        "il était une fois {job:a} {trait} qui s'appelait {who} et qui avait une petite maison {home}.",
        "au village, tout le monde connaissait {who}, {job:the} {trait} qui vivait {home}.",
    ),
}

# A plot: the sentences in order. {who} wants, {friend} helps.
_PLOTS: dict[str, dict[str, tuple[str, ...]]] = {
    "lost": {
        "en": ("one morning {who:his/her} {animal:} was gone.", "{who} looked {where:at}, but {animal:the} was not there.",
               "{who:he/she} called and called, but nobody answered.", "then {friend} came by and said: \"I heard something {other:at}.\"",
               "they went {other:to} together, and there {animal:the} was, safe and sound.", "{who} laughed and gave {friend} a big hug."),
        "es": ("una mañana su {animal:} había desaparecido.", "{who} buscó {where:at}, pero {animal:the} no estaba allí.",
               "llamó y llamó, pero nadie respondió.", "entonces pasó {friend} y dijo: «He oído algo {other:at}».",
               "fueron {both:juntos/juntas} {other:to} y allí estaba {animal:the}, {animal:sano/sana} y {animal:salvo/salva}.", "{who} se echó a reír y le dio a {friend} un gran abrazo."),
        "de": ("eines Morgens war {who:sein/ihr}{animal:/e/} {animal:} verschwunden.", "{who} suchte {where:at}, aber {animal:the} war nicht dort.",
               "{who:er/sie} rief und rief, aber niemand antwortete.", "da kam {friend} vorbei und sagte: „Ich habe {other:at} etwas gehört.“",
               "sie gingen zusammen {other:to}, und dort war {animal:the}, gesund und munter.", "{who} lachte und umarmte {friend} fest."),
        "fr": ("un matin, {own} avait disparu.", "{who} chercha {where:at}, mais {animal:the} n'y était pas.",
               "{who:il/elle} appela longtemps, mais personne ne répondit.", "alors {friend} passa et dit : « J'ai entendu quelque chose {other:at}. »",
               "{both:ils/elles} allèrent ensemble {other:to}, et {animal:the} était là, {animal:sain et sauf/saine et sauve}.", "{who} éclata de rire et serra {friend} dans ses bras."),
    },
    "build": {
        "en": ("{who} wanted to build a new stable for {who:his/her} {animal:}.", "{who:he/she} found old wood {where:at} and carried it home.",
               "but the roof was too heavy for one person.", "{friend} saw this and came over with a ladder and a long rope.",
               "together they pulled the roof up, and by evening everything was finished.", "{animal:the} walked in and fell asleep at once."),
        "es": ("{who} quería construir un establo nuevo para su {animal:}.", "encontró madera vieja {where:at} y la llevó a casa.",
               "pero el tejado pesaba demasiado para una sola persona.", "{friend} lo vio y se acercó con una escalera y una cuerda larga.",
               "{both:juntos/juntas} subieron el tejado, y por la tarde todo estaba terminado.", "{animal:the} entró y se durmió enseguida."),
        "de": ("{who} wollte für {who:sein/ihr}{animal:en/e/} {animal_acc} einen neuen Stall bauen.", "{who:er/sie} fand {where:at} altes Holz und trug es nach Hause.",
               "aber das Dach war für eine Person zu schwer.", "{friend} sah das und kam mit einer Leiter und einem langen Seil.",
               "zusammen zogen sie das Dach hinauf, und am Abend war alles fertig.", "{animal:the} ging hinein und schlief sofort ein."),
        "fr": ("{who} voulait construire une nouvelle étable pour {own}.", "{who:il/elle} trouva du vieux bois {where:at} et le porta à la maison.",
               "mais le toit était trop lourd pour une seule personne.", "{friend} le vit et arriva avec une échelle et une longue corde.",
               "ensemble, {both:ils/elles} montèrent le toit, et le soir, tout était fini.", "{animal:the} entra et s'endormit aussitôt."),
    },
    "gift": {
        "en": ("{who} wanted to give {friend} something special for {friend:his/her} birthday.", "so {who:he/she} went {where:to} to look for {thing:a}.",
               "but {who} had only three coins, and that was not enough.", "on the way back {who:he/she} helped an old man who had fallen {other:at}.",
               "the man thanked {who:him/her} and gave {who:him/her} {thing:a} from his own bag.", "in the evening {friend} unpacked the present and was very happy."),
        "es": ("{who} quería regalarle a {friend} algo especial por su cumpleaños.", "así que fue {where:to} a buscar {thing:a}.",
               "pero {who} solo tenía tres monedas y no era suficiente.", "a la vuelta ayudó a un anciano que se había caído {other:at}.",
               "el anciano le dio las gracias y sacó de su bolsa {thing:a} para {who}.", "por la noche {friend} abrió el regalo y se alegró mucho."),
        "de": ("{who} wollte {friend} etwas Besonderes zum Geburtstag schenken.", "also ging {who:er/sie} {where:to}, um {thing:a.acc} zu suchen.",
               "aber {who} hatte nur drei Münzen, und das reichte nicht.", "auf dem Rückweg half {who:er/sie} einem alten Mann, der {other:at} gestürzt war.",
               "der Mann dankte {who:ihm/ihr} und schenkte {who:ihm/ihr} {thing:a.acc} aus seiner Tasche.", "am Abend packte {friend} das Geschenk aus und freute sich sehr."),
        "fr": ("{who} voulait offrir à {friend} quelque chose de spécial pour son anniversaire.", "{who:il/elle} alla donc {where:to} chercher {thing:a}.",
               "mais {who} n'avait que trois pièces, et ce n'était pas assez.", "sur le chemin du retour, {who:il/elle} aida un vieil homme qui était tombé {other:at}.",
               "l'homme remercia {who} et sortit {thing:a} de son sac pour {who:lui/elle}.", "le soir, {friend} ouvrit le cadeau et fut très {friend:heureux/heureuse}."),
    },
    "learn": {
        "en": ("{who} wanted to learn to play the flute, but it sounded terrible.", "when {who:he/she} played {where:at}, everybody walked away.",
               "only {animal:a} stayed and listened.", "{friend}, who played very well, said: \"Come {other:to} every evening and practise with me.\"",
               "{who} practised all summer and never gave up.", "in autumn {who:he/she} played for the whole village, and {animal:the} sat in the front row."),
        "es": ("{who} quería aprender a tocar la flauta, pero sonaba fatal.", "cuando tocaba {where:at}, todos se marchaban.",
               "solo {animal:a} se quedaba a escuchar.", "{friend}, que tocaba muy bien, dijo: «Ven {other:to} todas las tardes y practica conmigo».",
               "{who} practicó todo el verano y nunca se rindió.", "en otoño tocó para todo el pueblo, y {animal:the} estaba en primera fila."),
        "de": ("{who} wollte Flöte spielen lernen, aber es klang schrecklich.", "wenn {who:er/sie} {where:at} spielte, gingen alle weg.",
               "nur {animal:a} blieb und hörte zu.", "{friend} spielte sehr gut und sagte: „Komm jeden Abend {other:to} und übe mit mir.“",
               "{who} übte den ganzen Sommer und gab nie auf.", "im Herbst spielte {who:er/sie} für das ganze Dorf, und {animal:the} saß in der ersten Reihe."),
        "fr": ("{who} voulait apprendre à jouer de la flûte, mais c'était affreux à entendre.", "quand {who:il/elle} jouait {where:at}, tout le monde s'en allait.",
               "{animal:seul/seule} {animal:a} restait pour écouter.", "{friend}, qui jouait très bien, dit : « Viens {other:to} tous les soirs et exerce-toi avec moi. »",
               "{who} s'exerça tout l'été et n'abandonna jamais.", "en automne, {who:il/elle} joua pour tout le village, et {animal:the} était au premier rang."),
    },
    "storm": {
        "en": ("one evening {who} was on the way home when a storm came up.", "the wind was so strong that {who:he/she} had to hide {where:at}.",
               "there {who:he/she} found {animal:a}, wet and full of fear.", "{who} put {who:his/her} coat around the animal and waited.",
               "in the morning {friend} came with a lamp and led them {other:to}.", "{animal:the} belonged to {friend}, who thanked {who} with warm soup."),
        "es": ("una tarde {who} volvía a casa cuando empezó una tormenta.", "el viento era tan fuerte que tuvo que esconderse {where:at}.",
               "allí encontró {animal:a}, {animal:mojado/mojada} y {animal:lleno/llena} de miedo.", "{who} cubrió al animal con su abrigo y esperó.",
               "por la mañana llegó {friend} con una lámpara y le enseñó el camino {other:to}.", "{animal:the} era de {friend}, que le dio las gracias a {who} con una sopa caliente."),
        "de": ("eines Abends war {who} auf dem Heimweg, als ein Sturm aufzog.", "der Wind war so stark, dass {who:er/sie} sich {where:at} verstecken musste.",
               "dort fand {who:er/sie} {animal:a.acc}, nass und voller Angst.", "{who} legte {who:seinen/ihren} Mantel um das Tier und wartete.",
               "am Morgen kam {friend} mit einer Lampe und führte die beiden {other:to}.", "{animal:the} gehörte {friend}, {friend:der/die} sich bei {who} mit warmer Suppe bedankte."),
        "fr": ("un soir, {who} rentrait à la maison quand un orage éclata.", "le vent était si fort que {who} dut se cacher {where:at}.",
               "{who:il/elle} y trouva {animal:a}, {animal:mouillé/mouillée} et {animal:tremblant/tremblante} de peur.", "{who} couvrit l'animal de son manteau et attendit.",
               "au matin, {friend} arriva avec une lampe et les conduisit {other:to}.", "{animal:the} était à {friend}, qui remercia {who} avec une soupe chaude."),
    },
    "race": {
        "en": ("every summer there was a race {where:at}, and {who} wanted to win it with {who:his/her} {animal:}.", "people laughed: \"{animal:a} is much too slow!\"",
               "{friend} did not laugh, and showed {who:him/her} a short cut past {other:the}.", "on the day of the race all the others ran ahead.",
               "but they had forgotten to drink, and soon they had to rest.", "{who} and {animal:the} walked slowly past them and won."),
        "es": ("cada verano había una carrera {where:at}, y {who} quería ganarla con su {animal:}.", "la gente se reía: «¡{animal:a} es demasiado {animal:lento/lenta}!».",
               "{friend} no se rio y le enseñó un atajo cerca de {other:the}.", "el día de la carrera todos los demás salieron corriendo.",
               "pero se habían olvidado de beber y pronto tuvieron que descansar.", "{who} y {animal:the} pasaron despacio a su lado y ganaron."),
        "de": ("jeden Sommer gab es {where:at} ein Rennen, und {who} wollte es mit {who:sein/ihr}{animal:em/er/em} {animal:} gewinnen.", "die Leute lachten: „{animal:a} ist doch viel zu langsam!“",
               "{friend} lachte nicht und zeigte {who:ihm/ihr} eine Abkürzung an {other:the.dat} vorbei.", "am Tag des Rennens liefen alle anderen voraus.",
               "aber sie hatten vergessen zu trinken und mussten bald ausruhen.", "{who} und {animal:the} gingen langsam an ihnen vorbei und gewannen."),
        "fr": ("chaque été, il y avait une course {where:at}, et {who} voulait la gagner avec {own}.", "les gens riaient : « {animal:a}, c'est bien trop lent ! »",
               "{friend} ne rit pas et lui montra un raccourci près de {other:the}.", "le jour de la course, tous les autres partirent en courant.",
               "mais ils avaient oublié de boire et durent bientôt se reposer.", "{who} et {animal:the} passèrent lentement devant eux et gagnèrent."),
    },
}  # fmt: skip

_CLOSES: tuple[Told, ...] = (
    {
        "en": "from that day on {who} and {friend} were good friends.",
        "es": "desde aquel día {who} y {friend} fueron {both:buenos amigos/buenas amigas}.",
        "de": "von diesem Tag an waren {who} und {friend} gute {both:Freunde/Freundinnen}.",
        "fr": "depuis ce jour, {who} et {friend} furent de {both:bons amis/bonnes amies}.",
    },
    {
        "en": "{who} never forgot that day.",
        "es": "{who} nunca olvidó aquel día.",
        "de": "{who} vergaß diesen Tag nie.",
        "fr": "{who} n'oublia jamais ce jour-là.",
    },
    {
        "en": "that evening everyone in the village was happy.",
        "es": "aquella noche todo el pueblo estaba contento.",
        "de": "an diesem Abend war das ganze Dorf froh.",
        "fr": "ce soir-là, tout le village était content.",
    },
    {
        "en": '"Together everything is easier," said {friend}.',
        "es": "«Entre dos todo es más fácil», dijo {friend}.",
        "de": "„Zusammen ist alles leichter“, sagte {friend}.",
        "fr": "« À deux, tout est plus facile », dit {friend}.",
    },
)
_HOMES = table("""
mill   | near the mill   | cerca del molino   | in der Nähe der Mühle   | près du moulin
lake   | near the lake   | cerca del lago     | in der Nähe des Sees    | près du lac
forest | near the forest | cerca del bosque   | in der Nähe des Waldes  | près de la forêt
church | near the church | cerca de la iglesia | in der Nähe der Kirche | près de l'église
bridge | near the bridge | cerca del puente   | in der Nähe der Brücke  | près du pont
hill   | behind the hill | detrás de la colina | hinter dem Hügel       | derrière la colline
""")
_SCENES = {  # where a plot can only happen in some places
    "gift": ("market", "shop"),
    "build": ("forest", "farm", "river", "mill", "lake"),
    "storm": ("barn", "stable", "mill", "forest", "bakery", "school"),
    "race": ("meadow", "lake", "river", "forest", "farm", "hill"),
}
_OUTDOORS = ("mill", "bridge", "river", "lake", "meadow", "forest", "square", "church", "hill", "station")
_PETS = tuple(animal for animal in ANIMALS if animal != "cow")
_GIFTS = ("scarf", "hat", "bell", "book", "lamp", "ball", "candle", "basket")


def draw(draws: Draws) -> Slots:
    """Return the slots of one story."""
    plot = draws.of(_PLOTS)
    who, friend = draws.some(NAMES, 2)
    where, other = draws.some(_OUTDOORS, 2)
    slots = {"scene": "story", "plot": plot, "who": who, "friend": friend, "trait": draws.of(_TRAITS)}
    slots |= {"job": draws.of(ROLES), "home": draws.of(_HOMES)}
    slots["where"] = draws.one(_SCENES[plot]) if plot in _SCENES else where
    if plot != "build":
        slots["other"] = other if other != slots["where"] else where
    slots |= {"thing": draws.one(_GIFTS)} if plot == "gift" else {"animal": draws.one(_PETS)}
    return slots | {"_opening": draws.one("012"), "_close": str(draws.number(0, len(_CLOSES) - 1))}


def write(slots: Slots, lang: str, other: str) -> str:
    """Return the story."""
    woman = is_woman(slots["who"])
    who, friend = person(slots["who"]), person(slots["friend"])
    both = person(slots["who"] if woman and is_woman(slots["friend"]) else NAMES[-1])
    trait = say(_TRAITS, slots["trait"], lang).split("/")
    job = role(slots["job"], lang, woman=woman)
    values: dict[str, object] = {"who": who, "friend": friend, "both": both, "job": job}
    values["trait"] = trait[min(int(woman), len(trait) - 1)]
    values["job_acc"] = job.form("the", "acc").partition(" ")[2]
    values["home"] = say(_HOMES, slots["home"], lang)
    values["where"] = place(slots["where"], lang)
    if "other" in slots:
        values["other"] = place(slots["other"], lang)
    if "thing" in slots:
        values["thing"] = noun(slots["thing"], lang)
    if "animal" in slots:
        animal = noun(slots["animal"], lang)
        values["animal"] = animal
        values["own"] = animal.forms["my"].replace("mon ", "son ").replace("ma ", "sa ")
        values["animal_acc"] = animal.form("the", "acc").partition(" ")[2]
    told = [_OPENINGS[lang][int(slots["_opening"])], *_PLOTS[slots["plot"]][lang]]
    told.append(_CLOSES[int(slots["_close"])][lang])
    return smooth(lang, " ".join(told).format_map(values))
