# ruff: noqa: E501 (a table reads best with one language on a line)
"""Customer service of the farm shop: orders, deliveries, returns, complaints, stock and visits, turn by turn.

The customer says "usted", "Sie" and "vous", and so does the shop; answers use what the customer has said.
"""

from camelid.text.records import Message
from camelid.text.world.draws import Draws, Slots
from camelid.text.world.lexicon import COLORS, NAMES, NUMBERS, WEEKDAYS, noun, say, table
from camelid.text.world.talk import Told, chat

_SOLD = ("scarf", "blanket", "hat", "sweater", "rug", "bag", "basket", "candle", "lamp", "cheese", "cake")
_SHOWN = ("scarf", "blanket", "hat", "sweater", "rug", "bag", "basket")
_PROBLEMS = table("""
torn  | torn      | roto/rota       | kaputt      | abîmé/abîmée
dirty | dirty     | sucio/sucia     | schmutzig   | sale/sale
small | too small | demasiado pequeño/demasiado pequeña | zu klein | trop petit/trop petite
big   | too big   | demasiado grande/demasiado grande | zu groß | trop grand/trop grande
wet   | wet       | mojado/mojada   | nass        | mouillé/mouillée
""")
_STATUSES = table("""
sent    | has been sent and will arrive {day} | ha sido enviado y llegará {day} | ist verschickt und kommt {day} an | a été expédiée et arrivera {day}
packing | is being packed and will leave {day} | se está preparando y saldrá {day} | wird gerade gepackt und geht {day} raus | est en préparation et partira {day}
late    | is delayed and will arrive {day} | se retrasa y llegará {day} | verspätet sich und kommt {day} an | a du retard et arrivera {day}
""")

# Turns by scenario; a "system" line first ("" where the shop need not know more than the customer says).
_SCENARIOS: dict[str, dict[str, tuple[str, ...]]] = {
    "status": {
        "en": ("order {order} ({item:a}) {status}.", "{hello} Where is my order?", "good day! Could you tell me your order number, please?",
               "the number is {order}.", "thank you. Your order {order} with {item:the} {status}.",
               "thank you for your help.", "you're welcome! Enjoy your {item:}."),
        "es": ("el pedido {order} ({item:a}) {status}.", "{hello} ¿Dónde está mi pedido?", "¡Buenos días! ¿Me puede decir su número de pedido, por favor?",
               "el número es {order}.", "gracias. Su pedido {order} con {item:the} {status}.",
               "gracias por su ayuda.", "¡De nada! Que disfrute de {item:the}."),
        "de": ("bestellung {order} ({item:a}) {status}.", "{hello} Wo ist meine Bestellung?", "guten Tag! Können Sie mir bitte Ihre Bestellnummer nennen?",
               "die Nummer ist {order}.", "danke. Ihre Bestellung {order} mit {item:the.dat} {status}.",
               "danke für Ihre Hilfe.", "gern geschehen! Viel Freude mit {item:the.dat}."),
        "fr": ("la commande {order} ({item:a}) {status}.", "{hello} Où est ma commande ?", "bonjour ! Pouvez-vous me donner votre numéro de commande, s'il vous plaît ?",
               "le numéro est {order}.", "merci. Votre commande {order} avec {item:the} {status}.",
               "merci pour votre aide.", "je vous en prie ! Profitez bien de {item:the}."),
    },
    "broken": {
        "en": ("", "{hello} {item:the} that I ordered is {problem}.", "I am very sorry about that. What is your order number?",
               "my order number is {order}.", "thank you. For order {order} we will send you a new {item:} {day}, or we can give you your money back. Which do you prefer?",
               "{choice}", "{done}"),
        "es": ("", "{hello} {item:the} que pedí está {problem}.", "lo siento mucho. ¿Cuál es su número de pedido?",
               "mi número de pedido es el {order}.", "gracias. Por el pedido {order} podemos enviarle {item:otro/otra} {item:} {day} o devolverle el dinero. ¿Qué prefiere?",
               "{choice}", "{done}"),
        "de": ("", "{hello} {item:the}, {item:den/die/das} ich bestellt habe, ist {problem}.", "das tut mir sehr leid. Wie lautet Ihre Bestellnummer?",
               "meine Bestellnummer ist {order}.", "danke. Für die Bestellung {order} schicken wir Ihnen {day} {item:einen neuen/eine neue/ein neues} {item:}, oder Sie bekommen Ihr Geld zurück. Was ist Ihnen lieber?",
               "{choice}", "{done}"),
        "fr": ("", "{hello} {item:the} que j'ai {item:commandé/commandée} est {problem}.", "je suis vraiment désolé. Quel est votre numéro de commande ?",
               "mon numéro de commande est le {order}.", "merci. Pour la commande {order}, nous pouvons vous envoyer {item:un autre/une autre} {item:} {day} ou vous rembourser. Que préférez-vous ?",
               "{choice}", "{done}"),
    },
    "return": {
        "en": ("", "{hello} I would like to return {item:a}. I bought it {n} days ago.", "{verdict}",
               "my order number is {order} and my name is {who}.", "thank you, {who}. The return of order {order} has been noted."),
        "es": ("", "{hello} Quisiera devolver {item:a}. {item:Lo/La} compré hace {n} días.", "{verdict}",
               "mi número de pedido es el {order} y me llamo {who}.", "gracias, {who}. La devolución del pedido {order} queda anotada."),
        "de": ("", "{hello} Ich möchte {item:a.acc} zurückgeben. Ich habe {item:ihn/sie/es} vor {n} Tagen gekauft.", "{verdict}",
               "meine Bestellnummer ist {order} und mein Name ist {who}.", "danke, {who}. Die Rückgabe der Bestellung {order} ist vermerkt."),
        "fr": ("", "{hello} Je voudrais rendre {item:a}. Je l'ai {item:acheté/achetée} il y a {n} jours.", "{verdict}",
               "mon numéro de commande est le {order} et je m'appelle {who}.", "merci, {who}. Le retour de la commande {order} est noté."),
    },
    "stock": {
        "en": ("in stock: {item:a} in {color} for {price} euros, in {color2} for {price2} euros.", "{hello} How much does the {item:} in {color} cost?", "the {item:} in {color} costs {price} euros.",
               "and in {color2}?", "in {color2} it costs {price2} euros.",
               "I will take the {item:} in {color2}.", "with pleasure. That is {price2} euros."),
        "es": ("disponible: {item:a} en {color} por {price} euros, en {color2} por {price2} euros.", "{hello} ¿Cuánto cuesta {item:the} en {color}?", "{item:the} en {color} cuesta {price} euros.",
               "¿Y en {color2}?", "en {color2} cuesta {price2} euros.",
               "me llevo {item:the} en {color2}.", "con mucho gusto. Son {price2} euros."),
        "de": ("auf Lager: {item:a} in {color} für {price} Euro, in {color2} für {price2} Euro.", "{hello} Was kostet {item:the} in {color}?", "{item:the} in {color} kostet {price} Euro.",
               "und in {color2}?", "in {color2} kostet {item:er/sie/es} {price2} Euro.",
               "ich nehme {item:the.acc} in {color2}.", "sehr gern. Das macht {price2} Euro."),
        "fr": ("en stock : {item:a} en {color} pour {price} euros, en {color2} pour {price2} euros.", "{hello} Combien coûte {item:the} en {color} ?", "{item:the} en {color} coûte {price} euros.",
               "et en {color2} ?", "en {color2}, {item:il/elle} coûte {price2} euros.",
               "je prends {item:the} en {color2}.", "avec plaisir. Cela fait {price2} euros."),
    },
    "cancel": {
        "en": ("", "{hello} I would like to cancel order {order}.", "order {order} has been cancelled. You will get your {price} euros back {day}." ,
               "when exactly will I get the money?", "you will get it {day}."),
        "es": ("", "{hello} Quisiera cancelar el pedido {order}.", "el pedido {order} está cancelado. Le devolveremos los {price} euros {day}.",
               "¿Cuándo recibiré el dinero exactamente?", "lo recibirá {day}."),
        "de": ("", "{hello} Ich möchte die Bestellung {order} stornieren.", "die Bestellung {order} ist storniert. Sie bekommen Ihre {price} Euro {day} zurück.",
               "wann genau bekomme ich das Geld?", "sie bekommen es {day}."),
        "fr": ("", "{hello} Je voudrais annuler la commande {order}.", "la commande {order} est annulée. Vos {price} euros vous seront remboursés {day}.",
               "quand exactement aurai-je l'argent ?", "vous l'aurez {day}."),
    },
    "order": {
        "en": ("", "{hello} I would like to order {item:a} in {color}.", "with pleasure. What name should I put, and when may we deliver?",
               "my name is {who}. {day} would be good.", "thank you, {who}. We will deliver the {item:} in {color} {day}."),
        "es": ("", "{hello} Quisiera pedir {item:a} en {color}.", "con mucho gusto. ¿A qué nombre y cuándo podemos entregarlo?",
               "me llamo {who}. {day} me viene bien.", "gracias, {who}. Le entregaremos {item:the} en {color} {day}."),
        "de": ("", "{hello} Ich möchte {item:a.acc} in {color} bestellen.", "sehr gern. Auf welchen Namen, und wann dürfen wir liefern?",
               "mein Name ist {who}. {day} passt es gut.", "danke, {who}. Wir liefern {item:the.acc} in {color} {day}."),
        "fr": ("", "{hello} Je voudrais commander {item:a} en {color}.", "avec plaisir. À quel nom, et quand pouvons-nous livrer ?",
               "je m'appelle {who}. {day}, ce serait bien.", "merci, {who}. Nous livrerons {item:the} en {color} {day}."),
    },
    "visit": {
        "en": ("", "{hello} I would like to book a guided tour for {count} people {day}.", "with pleasure. At what time would you like to come?",
               "at {hour} o'clock, please. My name is {who}.", "thank you, {who}. Your tour for {count} people is booked: {day} at {hour} o'clock."),
        "es": ("", "{hello} Quisiera reservar una visita guiada para {count} personas {day}.", "con mucho gusto. ¿A qué hora le gustaría venir?",
               "a las {hour}, por favor. Me llamo {who}.", "gracias, {who}. Su visita para {count} personas está reservada: {day} a las {hour}."),
        "de": ("", "{hello} Ich möchte {day} eine Führung für {count} Personen buchen.", "sehr gern. Um wie viel Uhr möchten Sie kommen?",
               "um {hour} Uhr, bitte. Mein Name ist {who}.", "danke, {who}. Ihre Führung für {count} Personen ist gebucht: {day} um {hour} Uhr."),
        "fr": ("", "{hello} Je voudrais réserver une visite guidée pour {count} personnes {day}.", "avec plaisir. À quelle heure aimeriez-vous venir ?",
               "à {hour} heures, s'il vous plaît. Je m'appelle {who}.", "merci, {who}. Votre visite pour {count} personnes est réservée : {day} à {hour} heures."),
    },
}  # fmt: skip
_CHOICES: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (("I would like a new one, please.", "gladly. The new {item:} will be sent {day}."),
           ("I would like my money back.", "of course. You will get your money for order {order} back.")),
    "es": (("prefiero {item:uno nuevo/una nueva}.", "con gusto. Le enviamos {item:the} {day}."),
           ("prefiero el dinero.", "por supuesto. Le devolveremos el dinero del pedido {order}.")),
    "de": (("ich möchte gern {item:einen neuen/eine neue/ein neues}.", "gern. Wir verschicken {item:den neuen/die neue/das neue} {item:} {day}."),
           ("ich möchte mein Geld zurück.", "natürlich. Sie bekommen das Geld für die Bestellung {order} zurück.")),
    "fr": (("je préfère {item:un nouveau/une nouvelle}.", "volontiers. Nous vous enverrons {item:the} {day}."),
           ("je préfère être remboursé.", "bien sûr. Nous vous rembourserons la commande {order}.")),
}  # fmt: skip
_VERDICTS: dict[str, tuple[str, str]] = {  # within the thirty days, or after
    "en": ("no problem, you can return goods within 30 days. What are your order number and your name?",
           "I am sorry, returns are only possible within 30 days."),
    "es": ("no hay problema, puede devolver los productos durante 30 días. ¿Cuál es su número de pedido y cómo se llama?",
           "lo siento, solo se puede devolver durante 30 días."),
    "de": ("kein Problem, Sie können Waren innerhalb von 30 Tagen zurückgeben. Wie lauten Ihre Bestellnummer und Ihr Name?",
           "es tut mir leid, eine Rückgabe ist nur innerhalb von 30 Tagen möglich."),
    "fr": ("pas de problème, vous pouvez rendre les articles dans les 30 jours. Quels sont votre numéro de commande et votre nom ?",
           "je suis désolé, un retour n'est possible que dans les 30 jours."),
}  # fmt: skip
_HELLOS: tuple[Told, ...] = (
    {"en": "hello!", "es": "¡Hola!", "de": "hallo!", "fr": "bonjour !"},
    {"en": "good morning.", "es": "buenos días.", "de": "guten Morgen.", "fr": "bonjour."},
    {"en": "excuse me.", "es": "disculpe.", "de": "entschuldigen Sie bitte.", "fr": "excusez-moi."},
)
_NOUN_COLORS = {  # colours as nouns, after "in": German writes them large
    "de": {
        "red": "Rot",
        "blue": "Blau",
        "green": "Grün",
        "white": "Weiß",
        "black": "Schwarz",
        "brown": "Braun",
        "grey": "Grau",
    },
}
_SHOP: Told = {
    "en": "you work for the farm shop's customer service.",
    "es": "trabajas en la atención al cliente de la tienda de la granja.",
    "de": "du arbeitest im Kundendienst des Hofladens.",
    "fr": "tu travailles au service client de la boutique de la ferme.",
}


def draw(draws: Draws) -> Slots:
    """Return the slots of one customer's matter."""
    scenario = draws.of(_SCENARIOS)
    color, color2 = draws.some(tuple(COLORS), 2)
    drawn = {
        "item": draws.one(_SHOWN if scenario in ("stock", "order", "broken") else _SOLD),
        "order": str(draws.number(1000, 9999)),
        "status": draws.of(_STATUSES),
        "problem": draws.of(_PROBLEMS),
        "choice": draws.one("01"),
        "n": str(draws.number(2, 60)),
        "color": color,
        "color2": color2,
        "price": str(draws.number(5, 90)),
        "price2": str(draws.number(5, 90)),
        "count": draws.of(NUMBERS),
        "hour": draws.one(("9", "10", "11", "2", "3", "4", "5")),
        "who": draws.one(NAMES),
        "day": draws.of(WEEKDAYS),
    }
    used = {name: drawn[name.removeprefix("_")] for name in _USES[scenario]}
    longest = (len(_SCENARIOS[scenario]["en"]) - 1) // 2
    least = 2 if scenario in ("status", "broken", "order", "visit") else 1
    turns = str(draws.number(least, longest))
    if scenario == "return" and int(used["n"]) > 30:
        turns = "1"
    return {
        "scene": "service",
        "scenario": scenario,
        **used,
        "_turns": turns,
        "_hello": draws.one("012"),
        "_shop": draws.one("01"),
    }


_USES = {
    "status": ("item", "order", "status", "day"),
    "broken": ("item", "order", "problem", "day", "_choice"),
    "return": ("item", "n", "_order", "_who"),
    "stock": ("item", "color", "price", "color2", "price2"),
    "cancel": ("order", "price", "day"),
    "order": ("item", "color", "who", "day"),
    "visit": ("count", "day", "hour", "who"),
}


def _values(slots: Slots, lang: str) -> dict[str, object]:
    slots = {name.removeprefix("_"): value for name, value in slots.items()}
    values: dict[str, object] = dict(slots)
    values["hello"] = _HELLOS[int(slots["hello"])][lang]
    if "day" in slots:
        name = say(WEEKDAYS, slots["day"], lang)
        values["day"] = {"en": f"on {name}", "es": f"el {name}", "de": f"am {name}", "fr": name}[lang]
    if "item" in slots:
        item = noun(slots["item"], lang)
        values["item"] = item
        if "problem" in slots:
            values["problem"] = say(_PROBLEMS, slots["problem"], lang)
            if "/" in str(values["problem"]):
                values["problem"] = format(item, str(values["problem"]))
    for name in ("color", "color2"):
        if name in slots:
            values[name] = (
                _NOUN_COLORS.get(lang, {}).get(slots[name]) or say(COLORS, slots[name], lang).split("/")[0]
            )
    if "count" in slots:
        values["count"] = say(NUMBERS, slots["count"], lang)
    if "status" in slots:
        values["status"] = say(_STATUSES, slots["status"], lang).format_map(values)
    if "choice" in slots:
        choice, done = _CHOICES[lang][int(slots["choice"])]
        values["choice"], values["done"] = choice.format_map(values), done.format_map(values)
    if slots["scenario"] == "return":
        values["verdict"] = _VERDICTS[lang][int(int(slots["n"]) > 30)]
    return values


def write(slots: Slots, lang: str, other: str) -> tuple[Message, ...]:
    """Return the conversation; the system prompt says what the shop knows of the order or the stock."""
    values = _values(slots, lang)
    known, *turns = (turn.format_map(values) for turn in _SCENARIOS[slots["scenario"]][lang])
    system = f"{_SHOP[lang] if slots['_shop'] == '1' else ''} {known}".strip()
    return chat(lang, *turns[: 2 * int(slots["_turns"])], system=system)
