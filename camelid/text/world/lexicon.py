# ruff: noqa: E501 (a table reads best with one meaning on a line)
"""The words of the built-in world: one table for each kind, one row for each meaning, one column a language.

Columns: meaning | English | Spanish | German | French. A noun shows its gender by its article and its plural
after a slash where a rule does not give it (English and French add s); German always gives it. An adjective
gives its feminine after a slash where a rule does not; "^" marks a French one that stands before its noun.
"""

from camelid.text.world.grammar import LANGUAGES, Word, noun_word


def table(text: str) -> dict[str, tuple[str, ...]]:
    """Return {meaning: (English, Spanish, German, French)} of a table written as text."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines() if "|" in line]
    return {meaning: tuple(cells) for meaning, *cells in rows}


ANIMALS = table("""
llama   | llama         | una llama   | das Lama/Lamas            | un lama
alpaca  | alpaca        | una alpaca  | das Alpaka/Alpakas        | un alpaga
sheep   | sheep/sheep   | una oveja   | das Schaf/Schafe          | un mouton
goat    | goat          | una cabra   | die Ziege/Ziegen          | une chèvre
dog     | dog           | un perro    | der Hund/Hunde            | un chien
cat     | cat           | un gato     | die Katze/Katzen          | un chat
donkey  | donkey        | un burro    | der Esel/Esel             | un âne
horse   | horse         | un caballo  | das Pferd/Pferde          | un cheval/chevaux
cow     | cow           | una vaca    | die Kuh/Kühe              | une vache
hen     | hen           | una gallina | das Huhn/Hühner           | une poule
lamb    | lamb          | un cordero  | das Lamm/Lämmer           | un agneau/agneaux
duck    | duck          | un pato     | die Ente/Enten            | un canard
rabbit  | rabbit        | un conejo   | das Kaninchen/Kaninchen   | un lapin
""")

GOODS = table("""
scarf   | scarf/scarves | una bufanda  | der Schal/Schals         | une écharpe
blanket | blanket       | una manta    | die Decke/Decken         | une couverture
hat     | hat           | un gorro     | die Mütze/Mützen         | un bonnet
sweater | sweater       | un jersey/jerséis | der Pullover/Pullover | un pull
rug     | rug           | una alfombra | der Teppich/Teppiche     | un tapis/tapis
bag     | bag           | un bolso     | die Tasche/Taschen       | un sac
basket  | basket        | una cesta    | der Korb/Körbe           | un panier
candle  | candle        | una vela     | die Kerze/Kerzen         | une bougie
lamp    | lamp          | una lámpara  | die Lampe/Lampen         | une lampe
chair   | chair         | una silla    | der Stuhl/Stühle         | une chaise
table   | table         | una mesa     | der Tisch/Tische         | une table
bell    | bell          | una campana  | die Glocke/Glocken       | une cloche
bucket  | bucket        | un cubo      | der Eimer/Eimer          | un seau/seaux
rope    | rope          | una cuerda   | das Seil/Seile           | une corde
ladder  | ladder        | una escalera | die Leiter/Leitern       | une échelle
key     | key           | una llave    | der Schlüssel/Schlüssel  | une clé
book    | book          | un libro     | das Buch/Bücher          | un livre
letter  | letter        | una carta    | der Brief/Briefe         | une lettre
map     | map           | un mapa      | die Karte/Karten         | une carte
ball    | ball          | una pelota   | der Ball/Bälle           | un ballon
bicycle | bicycle       | una bicicleta | das Fahrrad/Fahrräder   | un vélo
cart    | cart          | un carro     | der Wagen/Wagen          | une charrette
""")

FOOD = table("""
cheese  | cheese        | un queso     | der Käse/Käse            | un fromage
bread   | loaf of bread/loaves of bread | un pan/panes | das Brot/Brote | un pain
cake    | cake          | un pastel    | der Kuchen/Kuchen        | un gâteau/gâteaux
apple   | apple         | una manzana  | der Apfel/Äpfel          | une pomme
pear    | pear          | una pera     | die Birne/Birnen         | une poire
soup    | soup          | una sopa     | die Suppe/Suppen         | une soupe
egg     | egg           | un huevo     | das Ei/Eier              | un œuf
""")

BUILT = table("""
gate    | gate          | un portón    | das Tor/Tore             | un portail
fence   | fence         | una valla    | der Zaun/Zäune           | une clôture
door    | door          | una puerta   | die Tür/Türen            | une porte
window  | window        | una ventana  | das Fenster/Fenster      | une fenêtre
wall    | wall          | un muro      | die Mauer/Mauern         | un mur
roof    | roof          | un tejado    | das Dach/Dächer          | un toit
""")

# Things for a shopping list: shown without an article (French: with the partitive), see `groceries`.
GROCERIES = table("""
milk    | milk          | leche         | Milch      | du lait
butter  | butter        | mantequilla   | Butter     | du beurre
cheese  | cheese        | queso         | Käse       | du fromage
bread   | bread         | pan           | Brot       | du pain
flour   | flour         | harina        | Mehl       | de la farine
honey   | honey         | miel          | Honig      | du miel
salt    | salt          | sal           | Salz       | du sel
sugar   | sugar         | azúcar        | Zucker     | du sucre
rice    | rice          | arroz         | Reis       | du riz
tea     | tea           | té            | Tee        | du thé
coffee  | coffee        | café          | Kaffee     | du café
soap    | soap          | jabón         | Seife      | du savon
eggs    | eggs          | huevos        | Eier       | des œufs
apples  | apples        | manzanas      | Äpfel      | des pommes
pears   | pears         | peras         | Birnen     | des poires
carrots | carrots       | zanahorias    | Karotten   | des carottes
potatoes| potatoes      | patatas       | Kartoffeln | des pommes de terre
candles | candles       | velas         | Kerzen     | des bougies
""")

NAMES: tuple[str, ...] = (
    "Anna",
    "Clara",
    "Emma",
    "Eva",
    "Ida",
    "Julia",
    "Lena",
    "Maria",
    "Nora",
    "Rosa",
    "Sofia",
    "Vera",
)
NAMES += (
    "Leo",
    "Max",
    "Paul",
    "Bruno",
    "Felix",
    "Marco",
    "Oscar",
    "Tom",
    "Victor",
    "Daniel",
    "Simon",
    "David",
)
_WOMEN = frozenset(NAMES[:12])

# What people are: the man's word, then the woman's, each a noun of the table.
ROLES = table("""
farmer   | farmer; farmer | un granjero; una granjera   | der Bauer/Bauern/Bauern; die Bäuerin/Bäuerinnen | un fermier; une fermière
baker    | baker; baker   | un panadero; una panadera   | der Bäcker/Bäcker; die Bäckerin/Bäckerinnen | un boulanger; une boulangère
teacher  | teacher; teacher | un maestro; una maestra   | der Lehrer/Lehrer; die Lehrerin/Lehrerinnen | un instituteur; une institutrice
vet      | vet; vet       | un veterinario; una veterinaria | der Tierarzt/Tierärzte; die Tierärztin/Tierärztinnen | un vétérinaire; une vétérinaire
shepherd | shepherd; shepherd | un pastor/pastores; una pastora | der Hirte/Hirten/Hirten; die Hirtin/Hirtinnen | un berger; une bergère
gardener | gardener; gardener | un jardinero; una jardinera | der Gärtner/Gärtner; die Gärtnerin/Gärtnerinnen | un jardinier; une jardinière
cook     | cook; cook     | un cocinero; una cocinera   | der Koch/Köche; die Köchin/Köchinnen | un cuisinier; une cuisinière
singer   | singer; singer | un cantante; una cantante | der Sänger/Sänger; die Sängerin/Sängerinnen | un chanteur; une chanteuse
painter  | painter; painter | un pintor; una pintora    | der Maler/Maler; die Malerin/Malerinnen | un peintre; une peintre
driver   | driver; driver | un conductor; una conductora | der Fahrer/Fahrer; die Fahrerin/Fahrerinnen | un chauffeur; une chauffeuse
""")

FAMILY = table("""
sister      | sister      | una hermana | die Schwester/Schwestern | une sœur
brother     | brother     | un hermano  | der Bruder/Brüder        | un frère
mother      | mother      | una madre   | die Mutter/Mütter        | une mère
father      | father      | un padre    | der Vater/Väter          | un père
grandmother | grandmother | una abuela  | die Großmutter/Großmütter | une grand-mère/grands-mères
grandfather | grandfather | un abuelo   | der Großvater/Großväter  | un grand-père/grands-pères
aunt        | aunt        | una tía     | die Tante/Tanten         | une tante
uncle       | uncle       | un tío      | der Onkel/Onkel          | un oncle
""")

COLORS = table("""
red   | red   | rojo   | rot     | rouge
blue  | blue  | azul   | blau    | bleu
green | green | verde  | grün    | vert
white | white | blanco | weiß    | blanc/blanche
black | black | negro  | schwarz | noir
brown | brown | marrón | braun   | brun
grey  | grey  | gris   | grau    | gris
""")

QUALITIES = table("""
big       | big       | grande   | groß    | ^grand
small     | small     | pequeño  | klein   | ^petit
old       | old       | viejo    | alt     | ^vieux/vieille/vieil
new       | new       | nuevo    | neu     | ^nouveau/nouvelle/nouvel
beautiful | beautiful | bonito   | schön   | ^beau/belle/bel
heavy     | heavy     | pesado   | schwer  | lourd
light     | light     | ligero   | leicht  | léger/légère
expensive | expensive | caro     | teuer   | cher/chère
cheap     | cheap     | barato   | billig  | bon marché/bon marché
clean     | clean     | limpio   | sauber  | propre
""")

# A place: the noun; where one is; where one goes.
PLACES = table("""
market  | market; at the market; to the market | un mercado; en el mercado; al mercado | der Markt/Märkte; auf dem Markt; zum Markt | un marché; au marché; au marché
farm    | farm; on the farm; to the farm | una granja; en la granja; a la granja | der Bauernhof/Bauernhöfe; auf dem Bauernhof; zum Bauernhof | une ferme; à la ferme; à la ferme
barn    | barn; in the barn; to the barn | un granero; en el granero; al granero | die Scheune/Scheunen; in der Scheune; zur Scheune | une grange; dans la grange; à la grange
stable  | stable; in the stable; to the stable | un establo; en el establo; al establo | der Stall/Ställe; im Stall; zum Stall | une étable; dans l'étable; à l'étable
mill    | mill; at the mill; to the mill | un molino; en el molino; al molino | die Mühle/Mühlen; bei der Mühle; zur Mühle | un moulin; au moulin; au moulin
bridge  | bridge; on the bridge; to the bridge | un puente; en el puente; al puente | die Brücke/Brücken; auf der Brücke; zur Brücke | un pont; sur le pont; au pont
river   | river; by the river; to the river | un río; junto al río; al río | der Fluss/Flüsse; am Fluss; zum Fluss | une rivière; au bord de la rivière; à la rivière
lake    | lake; by the lake; to the lake | un lago; junto al lago; al lago | der See/Seen; am See; zum See | un lac; au bord du lac; au lac
meadow  | meadow; in the meadow; to the meadow | un prado; en el prado; al prado | die Wiese/Wiesen; auf der Wiese; zur Wiese | un pré; dans le pré; au pré
garden  | garden; in the garden; to the garden | un jardín/jardines; en el jardín; al jardín | der Garten/Gärten; im Garten; in den Garten | un jardin; dans le jardin; au jardin
forest  | forest; in the forest; to the forest | un bosque; en el bosque; al bosque | der Wald/Wälder; im Wald; in den Wald | une forêt; dans la forêt; dans la forêt
school  | school; at school; to school | una escuela; en la escuela; a la escuela | die Schule/Schulen; in der Schule; in die Schule | une école; à l'école; à l'école
station | station; at the station; to the station | una estación/estaciones; en la estación; a la estación | der Bahnhof/Bahnhöfe; am Bahnhof; zum Bahnhof | une gare; à la gare; à la gare
bakery  | bakery; at the bakery; to the bakery | una panadería; en la panadería; a la panadería | die Bäckerei/Bäckereien; in der Bäckerei; zur Bäckerei | une boulangerie; à la boulangerie; à la boulangerie
café    | café; in the café; to the café | una cafetería; en la cafetería; a la cafetería | das Café/Cafés; im Café; ins Café | un café; au café; au café
square  | square; in the square; to the square | una plaza; en la plaza; a la plaza | der Platz/Plätze; auf dem Platz; zum Platz | une place; sur la place; sur la place
church  | church; in front of the church; to the church | una iglesia; delante de la iglesia; a la iglesia | die Kirche/Kirchen; vor der Kirche; zur Kirche | une église; devant l'église; à l'église
hill    | hill; on the hill; to the hill | una colina; en la colina; a la colina | der Hügel/Hügel; auf dem Hügel; zum Hügel | une colline; sur la colline; à la colline
kitchen | kitchen; in the kitchen; to the kitchen | una cocina; en la cocina; a la cocina | die Küche/Küchen; in der Küche; in die Küche | une cuisine; dans la cuisine; dans la cuisine
shop    | farm shop; in the farm shop; to the farm shop | una tienda de la granja/tiendas de la granja; en la tienda de la granja; a la tienda de la granja | der Hofladen/Hofläden; im Hofladen; zum Hofladen | une boutique de la ferme/boutiques de la ferme; à la boutique de la ferme; à la boutique de la ferme
""")

WEEKDAYS = table("""
monday    | Monday    | lunes     | Montag     | lundi
tuesday   | Tuesday   | martes    | Dienstag   | mardi
wednesday | Wednesday | miércoles | Mittwoch   | mercredi
thursday  | Thursday  | jueves    | Donnerstag | jeudi
friday    | Friday    | viernes   | Freitag    | vendredi
saturday  | Saturday  | sábado    | Samstag    | samedi
sunday    | Sunday    | domingo   | Sonntag    | dimanche
""")

PAST_TIMES = table("""
yesterday | yesterday     | ayer              | gestern         | hier
last_week | last week     | la semana pasada  | letzte Woche    | la semaine dernière
last_year | last year     | el año pasado     | letztes Jahr    | l'année dernière
two_days  | two days ago  | hace dos días     | vor zwei Tagen  | il y a deux jours
last_night| last night    | anoche            | gestern Abend   | hier soir
summer    | last summer   | el verano pasado  | letzten Sommer  | l'été dernier
""")
PRESENT_TIMES = table("""
every_day   | every day     | todos los días    | jeden Tag     | tous les jours
often       | every week    | todas las semanas | jede Woche    | toutes les semaines
mornings    | every morning | todas las mañanas | jeden Morgen  | tous les matins
evenings    | every evening | todas las tardes  | jeden Abend   | tous les soirs
summers     | every summer  | todos los veranos | jeden Sommer  | tous les étés
""")
FUTURE_TIMES = table("""
tomorrow   | tomorrow         | mañana            | morgen          | demain
next_week  | next week        | la semana que viene | nächste Woche | la semaine prochaine
next_year  | next year        | el año que viene  | nächstes Jahr   | l'année prochaine
soon       | soon             | pronto            | bald            | bientôt
day_after  | the day after tomorrow | pasado mañana | übermorgen    | après-demain
""")
for _day, _names in WEEKDAYS.items():
    _en, _es, _de, _fr = _names
    PAST_TIMES[_day] = (f"last {_en}", f"el {_es} pasado", f"letzten {_de}", f"{_fr} dernier")
    PRESENT_TIMES[_day] = (
        f"every {_en}",
        f"todos los {_es if _es[-1] == 's' else _es + 's'}",
        f"jeden {_de}",
        f"tous les {_fr}s",
    )
    FUTURE_TIMES[_day] = (f"on {_en}", f"el {_es}", f"am {_de}", _fr)

# Counting words from two to twelve; "one" is the indefinite article.
NUMBERS = table("""
2 | two | dos | zwei | deux
3 | three | tres | drei | trois
4 | four | cuatro | vier | quatre
5 | five | cinco | fünf | cinq
6 | six | seis | sechs | six
7 | seven | siete | sieben | sept
8 | eight | ocho | acht | huit
9 | nine | nueve | neun | neuf
10 | ten | diez | zehn | dix
11 | eleven | once | elf | onze
12 | twelve | doce | zwölf | douze
""")

_COLUMN = {lang: index for index, lang in enumerate(LANGUAGES)}
_NOUNS = ANIMALS | GOODS | FOOD | BUILT | FAMILY
_ADJECTIVES = COLORS | QUALITIES


def say(rows: dict[str, tuple[str, ...]], meaning: str, lang: str) -> str:
    """Return the cell of a table for a meaning and a language."""
    return rows[meaning][_COLUMN[lang]]


def noun(meaning: str, lang: str, adjective: str = "") -> Word:
    """Return the noun of a meaning, described by the adjective of another if given."""
    column = _COLUMN[lang]
    return noun_word(lang, _NOUNS[meaning][column], _ADJECTIVES[adjective][column] if adjective else "")


def adjective_entry(meaning: str, lang: str) -> str:
    """Return the table entry of an adjective."""
    return _ADJECTIVES[meaning][_COLUMN[lang]]


def is_woman(name: str) -> bool:
    """Tell whether a name of the world is a woman's."""
    return name in _WOMEN


def role(meaning: str, lang: str, *, woman: bool) -> Word:
    """Return what a person is, in the form for a woman or a man."""
    entry = _split_cell(ROLES[meaning][_COLUMN[lang]])[1 if woman else 0]
    word = noun_word(lang, entry)
    return Word(word.forms, 1 if woman else 0)


def person(name: str) -> Word:
    """Return a name that can choose words by its gender; German cases leave it as it is."""
    return Word({"": name}, 1 if name in _WOMEN else 0)


def place(meaning: str, lang: str) -> Word:
    """Return a place: as a noun, and with the forms "at" (where one is) and "to" (where one goes)."""
    return _PLACES[meaning, lang]


def _split_cell(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";")]


def _place_word(lang: str, cell: str) -> Word:
    entry, at, to = _split_cell(cell)
    word = noun_word(lang, entry)
    return Word({**word.forms, "at": at, "to": to}, word.gender)


_PLACES = {
    (meaning, lang): _place_word(lang, cells[_COLUMN[lang]])
    for meaning, cells in PLACES.items()
    for lang in LANGUAGES
}


def join_words(lang: str, words: list[str]) -> str:
    """Return words as a list: "milk, eggs and bread"."""
    conjunction = {"en": "and", "es": "y", "de": "und", "fr": "et"}[lang]
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def weekday_habit(day: str, lang: str) -> str:
    """Return "on Mondays" in a language."""
    name = say(WEEKDAYS, day, lang)
    plural = name if name.endswith("s") else name + "s"
    return {"en": f"on {name}s", "es": f"los {plural}", "de": f"{name.lower()}s", "fr": f"le {name}"}[lang]
