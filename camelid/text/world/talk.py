"""What every conversation of the world shares: turns into messages, finished as the language writes them."""

from camelid.text.records import Message
from camelid.text.world.grammar import smooth


def chat(lang: str, *turns: str, system: str = "") -> tuple[Message, ...]:
    """Return turns that alternate between user and assistant as messages, after a system prompt if given."""
    opening = (Message("system", smooth(lang, system)),) if system else ()
    roles = ("user", "assistant")
    return opening + tuple(Message(roles[i % 2], smooth(lang, turn)) for i, turn in enumerate(turns))


Told = dict[str, str]  # one text in each language
