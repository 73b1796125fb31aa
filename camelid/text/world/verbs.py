# ruff: noqa: E501 (a table reads best with one meaning on a line)
"""The verbs of the sentence grammar, conjugated: present, past, infinitive and participle in four languages.

Persons are numbered me, you, he/she, we, they. The past is the English preterite, the Spanish indefinido, and
the compound past of German and French (all verbs here take haben and avoir).
"""

from dataclasses import dataclass
from functools import cache

from camelid.text.world.grammar import LANGUAGES
from camelid.text.world.lexicon import table

ME, YOU, SHE, WE, THEY = range(5)

# Columns: English base[, third person, past] | Spanish infinitive[; present; past] |
# German infinitive, participle[; present] ("|" of a separable verb is written "+") |
# French infinitive[, participle[; present]] | the kind of object.
VERBS = table("""
buy    | buy, buys, bought | comprar | kaufen, gekauft | acheter, acheté; achète achètes achète achetons achètent | goods
sell   | sell, sells, sold | vender | verkaufen, verkauft | vendre, vendu; vends vends vend vendons vendent | goods
seek   | look for, looks for, looked for | buscar; busco buscas busca buscamos buscan; busqué buscaste buscó buscamos buscaron | suchen, gesucht | chercher | goods
find   | find, finds, found | encontrar; encuentro encuentras encuentra encontramos encuentran | finden, gefunden; finde findest findet finden finden | trouver | goods
lose   | lose, loses, lost | perder; pierdo pierdes pierde perdemos pierden | verlieren, verloren | perdre, perdu; perds perds perd perdons perdent | small
bring  | bring, brings, brought | traer; traigo traes trae traemos traen; traje trajiste trajo trajimos trajeron | bringen, gebracht | apporter | goods
carry  | carry, carries, carried | llevar | tragen, getragen; trage trägst trägt tragen tragen | porter | goods
draw   | draw, draws, drew | dibujar | zeichnen, gezeichnet; zeichne zeichnest zeichnet zeichnen zeichnen | dessiner | drawn
see    | see, sees, saw | ver; veo ves ve vemos ven; vi viste vio vimos vieron | sehen, gesehen; sehe siehst sieht sehen sehen | voir, vu; vois vois voit voyons voient | animal
feed   | feed, feeds, fed | alimentar | füttern, gefüttert; füttere fütterst füttert füttern füttern | nourrir, nourri; nourris nourris nourrit nourrissons nourrissent | animal
wash   | wash, washes, washed | lavar | waschen, gewaschen; wasche wäschst wäscht waschen waschen | laver | washed
brush  | brush, brushes, brushed | cepillar | bürsten, gebürstet; bürste bürstest bürstet bürsten bürsten | brosser | animal
photograph | photograph, photographs, photographed | fotografiar; fotografío fotografías fotografía fotografiamos fotografían | fotografieren, fotografiert | photographier | drawn
paint  | paint, paints, painted | pintar | streichen, gestrichen | peindre, peint; peins peins peint peignons peignent | built
repair | repair, repairs, repaired | reparar | reparieren, repariert | réparer | built
open   | open, opens, opened | abrir | öffnen, geöffnet; öffne öffnest öffnet öffnen öffnen | ouvrir, ouvert; ouvre ouvres ouvre ouvrons ouvrent | opened
close  | close, closes, closed | cerrar; cierro cierras cierra cerramos cierran | schließen, geschlossen; schließe schließt schließt schließen schließen | fermer | opened
fetch  | pick up, picks up, picked up | recoger; recojo recoges recoge recogemos recogen | ab+holen, abgeholt | récupérer; récupère récupères récupère récupérons récupèrent | goods
eat    | eat, eats, ate | comer | essen, gegessen; esse isst isst essen essen | manger; mange manges mange mangeons mangent | food
bake   | bake, bakes, baked | hornear | backen, gebacken | préparer | baked
visit  | visit, visits, visited | visitar | besuchen, besucht | voir, vu; vois vois voit voyons voient | person
help   | help, helps, helped | ayudar | helfen, geholfen; helfe hilfst hilft helfen helfen | aider | person
greet  | greet, greets, greeted | saludar | grüßen, gegrüßt; grüße grüßt grüßt grüßen grüßen | saluer | person
call   | call, calls, called | llamar | an+rufen, angerufen | appeler; appelle appelles appelle appelons appellent | person
""")

_ES_PRESENT = {"ar": "o as a amos an", "er": "o es e emos en", "ir": "o es e imos en"}
_ES_PAST = {"ar": "é aste ó amos aron", "er": "í iste ió imos ieron", "ir": "í iste ió imos ieron"}
_DE_PRESENT = "e st t en en"
_FR_PRESENT = "e es e ons ent"


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of one language."""

    infinitive: str
    present: tuple[str, ...]
    past: tuple[str, ...]  # the participle, five times, where the past is compound
    particle: str = ""  # of a German separable verb


def _endings(stem: str, endings: str) -> tuple[str, ...]:
    return tuple(stem + ending for ending in endings.split())


def _english(cell: str) -> Verb:
    base, third, past = cell.split(", ")
    return Verb(base, (base, base, third, base, base), (past,) * 5)


def _spanish(cell: str) -> Verb:
    infinitive, *irregular = cell.split("; ")
    stem, kind = infinitive[:-2], infinitive[-2:]
    present = tuple(irregular[0].split()) if irregular else _endings(stem, _ES_PRESENT[kind])
    past = tuple(irregular[1].split()) if len(irregular) > 1 else _endings(stem, _ES_PAST[kind])
    return Verb(infinitive, present, past)


def _german(cell: str) -> Verb:
    names, *irregular = cell.split("; ")
    infinitive, participle = names.split(", ")
    particle, _, rest = infinitive.rpartition("+")
    present = tuple(irregular[0].split()) if irregular else _endings(rest[:-2], _DE_PRESENT)
    return Verb(particle + rest, present, (participle,) * 5, particle)


def _french(cell: str) -> Verb:
    names, *irregular = cell.split("; ")
    infinitive, _, participle = names.partition(", ")
    stem = infinitive[:-2]
    present = tuple(irregular[0].split()) if irregular else _endings(stem, _FR_PRESENT)
    return Verb(infinitive, present, (participle or stem + "é",) * 5)


_READ = {"en": _english, "es": _spanish, "de": _german, "fr": _french}


@cache
def verb(meaning: str, lang: str) -> Verb:
    """Return a verb of the table in a language."""
    return _READ[lang](VERBS[meaning][LANGUAGES.index(lang)])


AUXILIARIES = {
    "es": {
        "future": "voy vas va vamos van",
        "want": "quiero quieres quiere queremos quieren",
        "can": "puedo puedes puede podemos pueden",
        "must": "tengo tienes tiene tenemos tienen",
    },
    "de": {
        "past": "habe hast hat haben haben",
        "future": "werde wirst wird werden werden",
        "want": "möchte möchtest möchte möchten möchten",
        "can": "kann kannst kann können können",
        "must": "muss musst muss müssen müssen",
    },
    "fr": {
        "past": "ai as a avons ont",
        "future": "vais vas va allons vont",
        "want": "veux veux veut voulons veulent",
        "can": "peux peux peut pouvons peuvent",
        "must": "dois dois doit devons doivent",
    },
}


def auxiliary(lang: str, mood: str, person: int) -> str:
    """Return the form of a helping verb for a mood and a person."""
    return AUXILIARIES[lang][mood].split()[person]
