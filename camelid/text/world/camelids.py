# ruff: noqa: E501 (a table reads best with one language on a line)
"""Questions on llamas and alpacas: the animals, and the two language models named after them."""

from camelid.text.records import Message
from camelid.text.world.draws import Draws, Slots
from camelid.text.world.lexicon import NAMES
from camelid.text.world.talk import Told, chat
from camelid.text.world.topics import read_topics

_TOPICS = read_topics("""
# difference
en: What is the difference between a llama and an alpaca? | How do llamas differ from alpacas? | How can I tell a llama from an alpaca? | What tells llamas and alpacas apart? => A llama is bigger, with a long face and long curved ears. An alpaca is smaller, with a short face and short straight ears.
es: ¿Cuál es la diferencia entre una llama y una alpaca? | ¿En qué se diferencian las llamas de las alpacas? | ¿Cómo puedo distinguir una llama de una alpaca? | ¿Qué distingue a las llamas de las alpacas? => La llama es más grande y tiene la cara larga y las orejas largas y curvas. La alpaca es más pequeña y tiene la cara corta y las orejas cortas y rectas.
de: Was ist der Unterschied zwischen einem Lama und einem Alpaka? | Worin unterscheiden sich Lamas von Alpakas? | Wie kann ich ein Lama von einem Alpaka unterscheiden? | Was unterscheidet Lamas und Alpakas? => Ein Lama ist größer und hat ein langes Gesicht und lange, gebogene Ohren. Ein Alpaka ist kleiner und hat ein kurzes Gesicht und kurze, gerade Ohren.
fr: Quelle est la différence entre un lama et un alpaga ? | En quoi les lamas diffèrent-ils des alpagas ? | Comment distinguer un lama d'un alpaga ? | Qu'est-ce qui distingue les lamas des alpagas ? => Le lama est plus grand, avec une longue tête et de longues oreilles courbées. L'alpaga est plus petit, avec une tête courte et de petites oreilles droites.
# bigger
en: Which is bigger, a llama or an alpaca? | Is a llama bigger than an alpaca? | Who is taller, the llama or the alpaca? | Are alpacas smaller than llamas? => The llama is clearly bigger: it weighs about twice as much as an alpaca.
es: ¿Cuál es más grande, la llama o la alpaca? | ¿Es una llama más grande que una alpaca? | ¿Quién es más alta, la llama o la alpaca? | ¿Son las alpacas más pequeñas que las llamas? => La llama es claramente más grande: pesa casi el doble que una alpaca.
de: Was ist größer, ein Lama oder ein Alpaka? | Ist ein Lama größer als ein Alpaka? | Wer ist höher, das Lama oder das Alpaka? | Sind Alpakas kleiner als Lamas? => Das Lama ist deutlich größer: Es wiegt etwa doppelt so viel wie ein Alpaka.
fr: Lequel est le plus grand, le lama ou l'alpaga ? | Un lama est-il plus grand qu'un alpaga ? | Qui est le plus haut, le lama ou l'alpaga ? | Les alpagas sont-ils plus petits que les lamas ? => Le lama est nettement plus grand : il pèse environ deux fois plus qu'un alpaga.
# ears_llama
en: What do the ears of a llama look like? | What ears does a llama have? | Describe the ears of a llama. | What shape are llama ears? => The ears of a llama are long and curved like bananas.
es: ¿Cómo son las orejas de una llama? | ¿Qué orejas tiene una llama? | Describe las orejas de una llama. | ¿Qué forma tienen las orejas de las llamas? => Las orejas de una llama son largas y curvas como plátanos.
de: Wie sehen die Ohren eines Lamas aus? | Was für Ohren hat ein Lama? | Beschreibe die Ohren eines Lamas. | Welche Form haben Lamaohren? => Die Ohren eines Lamas sind lang und gebogen wie Bananen.
fr: À quoi ressemblent les oreilles d'un lama ? | Quelles oreilles a un lama ? | Décris les oreilles d'un lama. | Quelle forme ont les oreilles des lamas ? => Les oreilles d'un lama sont longues et courbées comme des bananes.
# ears_alpaca
en: What do the ears of an alpaca look like? | What ears does an alpaca have? | Describe the ears of an alpaca. | What shape are alpaca ears? => The ears of an alpaca are short, straight and pointed like a spear.
es: ¿Cómo son las orejas de una alpaca? | ¿Qué orejas tiene una alpaca? | Describe las orejas de una alpaca. | ¿Qué forma tienen las orejas de las alpacas? => Las orejas de una alpaca son cortas, rectas y puntiagudas como una lanza.
de: Wie sehen die Ohren eines Alpakas aus? | Was für Ohren hat ein Alpaka? | Beschreibe die Ohren eines Alpakas. | Welche Form haben Alpakaohren? => Die Ohren eines Alpakas sind kurz, gerade und spitz wie ein Speer.
fr: À quoi ressemblent les oreilles d'un alpaga ? | Quelles oreilles a un alpaga ? | Décris les oreilles d'un alpaga. | Quelle forme ont les oreilles des alpagas ? => Les oreilles d'un alpaga sont courtes, droites et pointues comme une lance.
# weight_llama
en: How much does a llama weigh? | How heavy is a llama? | What is the weight of a llama? | Are llamas heavy? => An adult llama weighs about 130 to 200 kilos.
es: ¿Cuánto pesa una llama? | ¿Qué peso tiene una llama? | ¿Cuál es el peso de una llama? | ¿Son pesadas las llamas? => Una llama adulta pesa entre 130 y 200 kilos.
de: Wie viel wiegt ein Lama? | Wie schwer ist ein Lama? | Was ist das Gewicht eines Lamas? | Sind Lamas schwer? => Ein ausgewachsenes Lama wiegt etwa 130 bis 200 Kilo.
fr: Combien pèse un lama ? | Quel poids fait un lama ? | Quel est le poids d'un lama ? | Les lamas sont-ils lourds ? => Un lama adulte pèse entre 130 et 200 kilos.
# weight_alpaca
en: How much does an alpaca weigh? | How heavy is an alpaca? | What is the weight of an alpaca? | Are alpacas heavy? => An adult alpaca weighs about 50 to 80 kilos.
es: ¿Cuánto pesa una alpaca? | ¿Qué peso tiene una alpaca? | ¿Cuál es el peso de una alpaca? | ¿Son pesadas las alpacas? => Una alpaca adulta pesa entre 50 y 80 kilos.
de: Wie viel wiegt ein Alpaka? | Wie schwer ist ein Alpaka? | Was ist das Gewicht eines Alpakas? | Sind Alpakas schwer? => Ein ausgewachsenes Alpaka wiegt etwa 50 bis 80 Kilo.
fr: Combien pèse un alpaga ? | Quel poids fait un alpaga ? | Quel est le poids d'un alpaga ? | Les alpagas sont-ils lourds ? => Un alpaga adulte pèse entre 50 et 80 kilos.
# origin
en: Where do llamas and alpacas come from? | Where do these animals live? | What is the home of llamas and alpacas? | In which countries are there many llamas? => Llamas and alpacas come from the Andes in South America, above all from Peru, Bolivia and Chile.
es: ¿De dónde vienen las llamas y las alpacas? | ¿Dónde viven estos animales? | ¿Cuál es la tierra de las llamas y las alpacas? | ¿En qué países hay muchas llamas? => Las llamas y las alpacas vienen de los Andes de Sudamérica, sobre todo de Perú, Bolivia y Chile.
de: Woher kommen Lamas und Alpakas? | Wo leben diese Tiere? | Was ist die Heimat der Lamas und Alpakas? | In welchen Ländern gibt es viele Lamas? => Lamas und Alpakas kommen aus den Anden in Südamerika, vor allem aus Peru, Bolivien und Chile.
fr: D'où viennent les lamas et les alpagas ? | Où vivent ces animaux ? | Quel est le pays des lamas et des alpagas ? | Dans quels pays y a-t-il beaucoup de lamas ? => Les lamas et les alpagas viennent des Andes en Amérique du Sud, surtout du Pérou, de Bolivie et du Chili.
# guanaco
en: What is a guanaco? | What is the wild ancestor of the llama? | Which wild animal does the llama come from? | Tell me about the guanaco. => The guanaco is a wild camelid of South America and the ancestor of the llama.
es: ¿Qué es un guanaco? | ¿Cuál es el antepasado salvaje de la llama? | ¿De qué animal salvaje viene la llama? | Háblame del guanaco. => El guanaco es un camélido salvaje de Sudamérica y el antepasado de la llama.
de: Was ist ein Guanako? | Was ist der wilde Vorfahr des Lamas? | Von welchem wilden Tier stammt das Lama ab? | Erzähl mir vom Guanako. => Das Guanako ist eine wilde Kamelart Südamerikas und der Vorfahr des Lamas.
fr: Qu'est-ce qu'un guanaco ? | Quel est l'ancêtre sauvage du lama ? | De quel animal sauvage descend le lama ? | Parle-moi du guanaco. => Le guanaco est un camélidé sauvage d'Amérique du Sud et l'ancêtre du lama.
# vicuna
en: What is a vicuña? | What is the wild ancestor of the alpaca? | Which wild animal does the alpaca come from? | Tell me about the vicuña. => The vicuña is the smallest wild camelid of the Andes and the ancestor of the alpaca. Its wool is very fine.
es: ¿Qué es una vicuña? | ¿Cuál es el antepasado salvaje de la alpaca? | ¿De qué animal salvaje viene la alpaca? | Háblame de la vicuña. => La vicuña es el camélido salvaje más pequeño de los Andes y el antepasado de la alpaca. Su lana es muy fina.
de: Was ist ein Vikunja? | Was ist der wilde Vorfahr des Alpakas? | Von welchem wilden Tier stammt das Alpaka ab? | Erzähl mir vom Vikunja. => Das Vikunja ist die kleinste wilde Kamelart der Anden und der Vorfahr des Alpakas. Seine Wolle ist sehr fein.
fr: Qu'est-ce qu'une vigogne ? | Quel est l'ancêtre sauvage de l'alpaga ? | De quel animal sauvage descend l'alpaga ? | Parle-moi de la vigogne. => La vigogne est le plus petit camélidé sauvage des Andes et l'ancêtre de l'alpaga. Sa laine est très fine.
# wool
en: Whose wool is finer, the llama's or the alpaca's? | Which animal has the softer wool? | Is alpaca wool softer than llama wool? | Which wool is better for a scarf? => Alpaca wool is finer and softer, so it is used for scarves and sweaters. Llama wool is coarser.
es: ¿Qué lana es más fina, la de llama o la de alpaca? | ¿Qué animal tiene la lana más suave? | ¿Es la lana de alpaca más suave que la de llama? | ¿Qué lana es mejor para una bufanda? => La lana de alpaca es más fina y suave; con ella se hacen bufandas y jerséis. La lana de llama es más gruesa.
de: Welche Wolle ist feiner, die vom Lama oder die vom Alpaka? | Welches Tier hat die weichere Wolle? | Ist Alpakawolle weicher als Lamawolle? | Welche Wolle ist besser für einen Schal? => Alpakawolle ist feiner und weicher, deshalb macht man daraus Schals und Pullover. Lamawolle ist gröber.
fr: Quelle laine est la plus fine, celle du lama ou celle de l'alpaga ? | Quel animal a la laine la plus douce ? | La laine d'alpaga est-elle plus douce que celle du lama ? | Quelle laine est la meilleure pour une écharpe ? => La laine d'alpaga est plus fine et plus douce, on en fait des écharpes et des pulls. La laine de lama est plus grossière.
# use_llama
en: What are llamas used for? | What is a llama good for? | Why do people keep llamas? | Can a llama carry things? => Llamas are pack animals: a strong llama carries about 30 kilos. They also guard sheep.
es: ¿Para qué se usan las llamas? | ¿Para qué sirve una llama? | ¿Por qué la gente cría llamas? | ¿Puede una llama llevar cosas? => Las llamas son animales de carga: una llama fuerte lleva unos 30 kilos. También cuidan ovejas.
de: Wozu werden Lamas gehalten? | Wozu ist ein Lama gut? | Warum halten Menschen Lamas? | Kann ein Lama Sachen tragen? => Lamas sind Lasttiere: Ein starkes Lama trägt etwa 30 Kilo. Sie bewachen auch Schafe.
fr: À quoi servent les lamas ? | À quoi est bon un lama ? | Pourquoi élève-t-on des lamas ? | Est-ce qu'un lama peut porter des choses ? => Les lamas sont des animaux de bât : un lama fort porte environ 30 kilos. Ils gardent aussi les moutons.
# use_alpaca
en: What are alpacas used for? | What is an alpaca good for? | Why do people keep alpacas? | Can an alpaca carry things? => Alpacas are kept for their wool. They are too small to carry heavy loads.
es: ¿Para qué se usan las alpacas? | ¿Para qué sirve una alpaca? | ¿Por qué la gente cría alpacas? | ¿Puede una alpaca llevar cosas? => Las alpacas se crían por su lana. Son demasiado pequeñas para llevar cargas pesadas.
de: Wozu werden Alpakas gehalten? | Wozu ist ein Alpaka gut? | Warum halten Menschen Alpakas? | Kann ein Alpaka Sachen tragen? => Alpakas hält man wegen ihrer Wolle. Sie sind zu klein, um schwere Lasten zu tragen.
fr: À quoi servent les alpagas ? | À quoi est bon un alpaga ? | Pourquoi élève-t-on des alpagas ? | Est-ce qu'un alpaga peut porter des choses ? => On élève les alpagas pour leur laine. Ils sont trop petits pour porter de lourdes charges.
# age
en: How old do llamas get? | How long does an alpaca live? | How long do these animals live? | What age can a llama reach? => Llamas and alpacas usually live for 15 to 20 years.
es: ¿Cuántos años vive una llama? | ¿Cuánto vive una alpaca? | ¿Cuánto tiempo viven estos animales? | ¿A qué edad puede llegar una llama? => Las llamas y las alpacas suelen vivir entre 15 y 20 años.
de: Wie alt werden Lamas? | Wie lange lebt ein Alpaka? | Wie lange leben diese Tiere? | Welches Alter kann ein Lama erreichen? => Lamas und Alpakas werden meist 15 bis 20 Jahre alt.
fr: Jusqu'à quel âge vivent les lamas ? | Combien de temps vit un alpaga ? | Combien de temps vivent ces animaux ? | Quel âge peut atteindre un lama ? => Les lamas et les alpagas vivent en général de 15 à 20 ans.
# herd
en: Can I keep a single alpaca? | Do llamas like to be alone? | Do alpacas live in herds? | How many alpacas should one have? => Llamas and alpacas are herd animals. Nobody should keep fewer than two or three together.
es: ¿Puedo tener una sola alpaca? | ¿Les gusta a las llamas estar solas? | ¿Viven las alpacas en rebaños? | ¿Cuántas alpacas hay que tener? => Las llamas y las alpacas son animales de rebaño. Hay que tener por lo menos dos o tres juntas.
de: Kann ich ein einzelnes Alpaka halten? | Sind Lamas gern allein? | Leben Alpakas in Herden? | Wie viele Alpakas sollte man haben? => Lamas und Alpakas sind Herdentiere. Man sollte mindestens zwei oder drei zusammen halten.
fr: Puis-je avoir un seul alpaga ? | Les lamas aiment-ils être seuls ? | Les alpagas vivent-ils en troupeau ? | Combien d'alpagas faut-il avoir ? => Les lamas et les alpagas sont des animaux de troupeau. Il faut en garder au moins deux ou trois ensemble.
# spit
en: Why do llamas spit? | Do llamas really spit? | Will a llama spit at me? | When do alpacas spit? => Llamas and alpacas spit mostly at each other, to show who is boss or when they feel threatened. They rarely spit at people.
es: ¿Por qué escupen las llamas? | ¿De verdad escupen las llamas? | ¿Me va a escupir una llama? | ¿Cuándo escupen las alpacas? => Las llamas y las alpacas se escupen sobre todo entre ellas, para mostrar quién manda o cuando se sienten amenazadas. Rara vez escupen a las personas.
de: Warum spucken Lamas? | Spucken Lamas wirklich? | Wird ein Lama mich anspucken? | Wann spucken Alpakas? => Lamas und Alpakas spucken sich meist gegenseitig an, um zu zeigen, wer der Chef ist, oder wenn sie sich bedroht fühlen. Menschen spucken sie selten an.
fr: Pourquoi les lamas crachent-ils ? | Les lamas crachent-ils vraiment ? | Est-ce qu'un lama va me cracher dessus ? | Quand les alpagas crachent-ils ? => Les lamas et les alpagas se crachent surtout dessus entre eux, pour montrer qui commande ou quand ils se sentent menacés. Ils crachent rarement sur les gens.
# sound
en: What sound does a llama make? | What noise do alpacas make? | Do llamas hum? | How do llamas talk to each other? => Llamas and alpacas hum softly. When there is danger, they give a loud alarm call.
es: ¿Qué sonido hace una llama? | ¿Qué ruido hacen las alpacas? | ¿Zumban las llamas? | ¿Cómo hablan las llamas entre ellas? => Las llamas y las alpacas emiten un suave zumbido. Cuando hay peligro, dan un fuerte grito de alarma.
de: Welches Geräusch macht ein Lama? | Welche Laute machen Alpakas? | Summen Lamas? | Wie reden Lamas miteinander? => Lamas und Alpakas summen leise. Bei Gefahr stoßen sie einen lauten Alarmruf aus.
fr: Quel bruit fait un lama ? | Quels sons font les alpagas ? | Est-ce que les lamas fredonnent ? | Comment les lamas se parlent-ils ? => Les lamas et les alpagas fredonnent doucement. En cas de danger, ils poussent un fort cri d'alarme.
# huacaya
en: What is a huacaya? | What kinds of alpaca are there? | What is the difference between huacaya and suri? | What is a suri? => There are two kinds of alpaca: the huacaya has fluffy, crimped wool, and the suri has long silky locks.
es: ¿Qué es una huacaya? | ¿Qué tipos de alpaca hay? | ¿Cuál es la diferencia entre huacaya y suri? | ¿Qué es una suri? => Hay dos tipos de alpaca: la huacaya tiene la lana esponjosa y rizada, y la suri tiene mechones largos y sedosos.
de: Was ist ein Huacaya? | Welche Arten von Alpakas gibt es? | Was ist der Unterschied zwischen Huacaya und Suri? | Was ist ein Suri? => Es gibt zwei Arten von Alpakas: Das Huacaya hat flauschige, gekräuselte Wolle, das Suri hat lange, seidige Locken.
fr: Qu'est-ce qu'un huacaya ? | Quelles sortes d'alpagas y a-t-il ? | Quelle est la différence entre huacaya et suri ? | Qu'est-ce qu'un suri ? => Il y a deux sortes d'alpagas : le huacaya a une laine frisée et duveteuse, le suri a de longues mèches soyeuses.
# eat
en: What do llamas eat? | What do alpacas like to eat? | What should I feed an alpaca? | What is good food for a llama? => Llamas and alpacas eat mostly grass and hay, and they need fresh water.
es: ¿Qué comen las llamas? | ¿Qué les gusta comer a las alpacas? | ¿Qué le doy de comer a una alpaca? | ¿Qué comida es buena para una llama? => Las llamas y las alpacas comen sobre todo hierba y heno, y necesitan agua fresca.
de: Was fressen Lamas? | Was fressen Alpakas gern? | Womit soll ich ein Alpaka füttern? | Was ist gutes Futter für ein Lama? => Lamas und Alpakas fressen vor allem Gras und Heu, und sie brauchen frisches Wasser.
fr: Que mangent les lamas ? | Qu'est-ce que les alpagas aiment manger ? | Que faut-il donner à manger à un alpaga ? | Quelle nourriture est bonne pour un lama ? => Les lamas et les alpagas mangent surtout de l'herbe et du foin, et ils ont besoin d'eau fraîche.
# young
en: What is a baby llama called? | What do you call a young alpaca? | What is a cria? | What is the name for a llama's baby? => The baby of a llama or an alpaca is called a cria. It can stand soon after birth.
es: ¿Cómo se llama el bebé de la llama? | ¿Cómo se llama una alpaca joven? | ¿Qué es una cría de llama? | ¿Qué nombre tiene el hijo de una llama? => El bebé de una llama o una alpaca se llama cría. Se pone de pie poco después de nacer.
de: Wie heißt das Junge eines Lamas? | Wie nennt man ein junges Alpaka? | Was ist ein Cria? | Welchen Namen hat ein Lamababy? => Das Junge eines Lamas oder Alpakas heißt Cria. Es kann bald nach der Geburt stehen.
fr: Comment s'appelle le petit du lama ? | Comment appelle-t-on un jeune alpaga ? | Qu'est-ce qu'un cria ? | Quel nom a le bébé d'un lama ? => Le petit du lama ou de l'alpaga s'appelle le cria. Il tient debout peu après la naissance.
# shear
en: How often are alpacas shorn? | When do you shear an alpaca? | How much wool does an alpaca give? | Do alpacas have to be shorn? => Alpacas are shorn once a year, in spring. One animal gives about two to four kilos of wool.
es: ¿Cada cuánto se esquilan las alpacas? | ¿Cuándo se esquila una alpaca? | ¿Cuánta lana da una alpaca? | ¿Hay que esquilar a las alpacas? => Las alpacas se esquilan una vez al año, en primavera. Cada animal da entre dos y cuatro kilos de lana.
de: Wie oft werden Alpakas geschoren? | Wann schert man ein Alpaka? | Wie viel Wolle gibt ein Alpaka? | Muss man Alpakas scheren? => Alpakas werden einmal im Jahr geschoren, im Frühling. Ein Tier gibt etwa zwei bis vier Kilo Wolle.
fr: Combien de fois tond-on les alpagas ? | Quand tond-on un alpaga ? | Combien de laine donne un alpaga ? | Faut-il tondre les alpagas ? => On tond les alpagas une fois par an, au printemps. Un animal donne environ deux à quatre kilos de laine.
# family
en: Are llamas related to camels? | Which family do llamas belong to? | What animals are relatives of the llama? | Is an alpaca a camel? => Llamas and alpacas belong to the camel family, like camels, guanacos and vicuñas. But they have no hump.
es: ¿Son las llamas parientes de los camellos? | ¿A qué familia pertenecen las llamas? | ¿Qué animales son parientes de la llama? | ¿Es la alpaca un camello? => Las llamas y las alpacas pertenecen a la familia de los camélidos, como los camellos, los guanacos y las vicuñas. Pero no tienen joroba.
de: Sind Lamas mit Kamelen verwandt? | Zu welcher Familie gehören Lamas? | Welche Tiere sind mit dem Lama verwandt? | Ist ein Alpaka ein Kamel? => Lamas und Alpakas gehören zur Familie der Kamele, wie Guanakos und Vikunjas. Aber sie haben keinen Höcker.
fr: Les lamas sont-ils parents des chameaux ? | À quelle famille appartiennent les lamas ? | Quels animaux sont parents du lama ? | L'alpaga est-il un chameau ? => Les lamas et les alpagas appartiennent à la famille des camélidés, comme les chameaux, les guanacos et les vigognes. Mais ils n'ont pas de bosse.
# models
en: What is the difference between the models Llama and Alpaca? | How do the two models differ? | Which two models are there here? | Explain the models Llama and Alpaca to me. => The Llama is the deep model: slower, but more accurate. The Alpaca is the small model: quick and made for conversation.
es: ¿Cuál es la diferencia entre los modelos Llama y Alpaca? | ¿En qué se diferencian los dos modelos? | ¿Qué dos modelos hay aquí? | Explícame los modelos Llama y Alpaca. => Llama es el modelo profundo: más lento, pero más preciso. Alpaca es el modelo pequeño: rápido y hecho para conversar.
de: Was ist der Unterschied zwischen den Modellen Llama und Alpaca? | Worin unterscheiden sich die beiden Modelle? | Welche zwei Modelle gibt es hier? | Erkläre mir die Modelle Llama und Alpaca. => Llama ist das tiefe Modell: langsamer, aber genauer. Alpaca ist das kleine Modell: schnell und für Gespräche gemacht.
fr: Quelle est la différence entre les modèles Llama et Alpaca ? | En quoi les deux modèles diffèrent-ils ? | Quels sont les deux modèles ici ? | Explique-moi les modèles Llama et Alpaca. => Llama est le modèle profond : plus lent, mais plus précis. Alpaca est le petit modèle : rapide et fait pour la conversation.
# model_for_text
en: Which model should I use for a translation? | Which model is better for summaries? | Which model should write a story? | Which model is more accurate? => Use the Llama: it is deeper and more accurate, so it is better for translation, summaries and stories.
es: ¿Qué modelo debo usar para una traducción? | ¿Qué modelo es mejor para resumir? | ¿Qué modelo debe escribir un cuento? | ¿Qué modelo es más preciso? => Usa Llama: es más profundo y preciso, por eso es mejor para traducir, resumir y contar historias.
de: Welches Modell soll ich für eine Übersetzung nehmen? | Welches Modell ist besser für Zusammenfassungen? | Welches Modell soll eine Geschichte schreiben? | Welches Modell ist genauer? => Nimm Llama: Es ist tiefer und genauer und deshalb besser für Übersetzungen, Zusammenfassungen und Geschichten.
fr: Quel modèle utiliser pour une traduction ? | Quel modèle est meilleur pour résumer ? | Quel modèle doit écrire une histoire ? | Quel modèle est le plus précis ? => Utilise Llama : il est plus profond et plus précis, donc meilleur pour traduire, résumer et raconter des histoires.
# model_for_chat
en: Which model should I use for a chat? | Which model is faster? | Which model is better for customer service? | Which model is good for an assistant? => Use the Alpaca: it is small and quick, so it is better for chat, assistants and customer service.
es: ¿Qué modelo debo usar para charlar? | ¿Qué modelo es más rápido? | ¿Qué modelo es mejor para atender a los clientes? | ¿Qué modelo es bueno para un asistente? => Usa Alpaca: es pequeño y rápido, por eso es mejor para charlar, para un asistente y para atender a los clientes.
de: Welches Modell soll ich zum Plaudern nehmen? | Welches Modell ist schneller? | Welches Modell ist besser für den Kundendienst? | Welches Modell ist gut für einen Assistenten? => Nimm Alpaca: Es ist klein und schnell und deshalb besser für Gespräche, Assistenten und den Kundendienst.
fr: Quel modèle utiliser pour discuter ? | Quel modèle est le plus rapide ? | Quel modèle est meilleur pour le service client ? | Quel modèle convient à un assistant ? => Utilise Alpaca : il est petit et rapide, donc meilleur pour discuter, pour un assistant et pour le service client.
""")

_I_AM: Told = {"en": "I am {name}.", "es": "Soy {name}.", "de": "Ich bin {name}.", "fr": "Je suis {name}."}
_OPENERS: tuple[Told, ...] = (
    {"en": "", "es": "", "de": "", "fr": ""},
    {"en": "Hello!", "es": "¡Hola!", "de": "Hallo!", "fr": "Bonjour !"},
    {
        "en": "I have a question.",
        "es": "Tengo una pregunta.",
        "de": "Ich habe eine Frage.",
        "fr": "J'ai une question.",
    },
    {
        "en": "Can you help me?",
        "es": "¿Me puedes ayudar?",
        "de": "Kannst du mir helfen?",
        "fr": "Peux-tu m'aider ?",
    },
    {"en": "I am curious.", "es": "Tengo curiosidad.", "de": "Ich bin neugierig.", "fr": "Je suis curieux."},
    {
        "en": "My children ask:",
        "es": "Mis hijos preguntan:",
        "de": "Meine Kinder fragen:",
        "fr": "Mes enfants demandent :",
    },
    {
        "en": "A quick question:",
        "es": "Una pregunta rápida:",
        "de": "Eine kurze Frage:",
        "fr": "Une petite question :",
    },
)
_THANKS: tuple[Told, ...] = (
    {"en": "", "es": "", "de": "", "fr": ""},
    {"en": "Interesting!", "es": "¡Qué interesante!", "de": "Interessant!", "fr": "Intéressant !"},
    {"en": "Thank you.", "es": "Gracias.", "de": "Danke.", "fr": "Merci."},
    {
        "en": "One more question:",
        "es": "Otra pregunta:",
        "de": "Noch eine Frage:",
        "fr": "Encore une question :",
    },
)


def _opener(slot: str, lang: str, *, first: bool) -> str:
    """Return what is said before a question: an opener by its number, or a name that introduces itself."""
    if slot in NAMES:
        return _I_AM[lang].format(name=slot)
    return (_OPENERS if first else _THANKS)[int(slot)][lang]


def draw(draws: Draws) -> Slots:
    """Return the slots of one to three questions, each with what is said before it.

    The first question is the key: a conversation that begins alike is on the same side of the split.
    """
    topics = draws.some(tuple(_TOPICS), draws.number(1, 3))
    asked = []
    for position, topic in enumerate(topics):
        before = str(draws.number(0, len(_THANKS if position else _OPENERS) - 1))
        if not position and draws.chance(0.4):
            before = draws.one(NAMES)
        asked.append(f"{topic}:{draws.number(0, _TOPICS[topic].num_phrasings - 1)}:{before}")
    return {"scene": "camelids", "first": asked[0], "_more": " ".join(asked[1:])}


def write(slots: Slots, lang: str, other: str) -> tuple[Message, ...]:
    """Return the questions and their answers as one conversation."""
    turns: list[str] = []
    for position, asked in enumerate([slots["first"], *slots["_more"].split()]):
        topic, phrasing, before = asked.split(":")
        opening = _opener(before, lang, first=position == 0)
        question = _TOPICS[topic].questions[lang][int(phrasing)]
        turns += [f"{opening} {question}".strip(), _TOPICS[topic].answers[lang]]
    return chat(lang, *turns)
