"""Languages: ISO 639-1 codes, their English names, and the one way to turn either into a code.

It must not guess a language from a text: a record's language is what its source says.
"""

from camelid.errors import DataError, suggest

UNKNOWN = "und"  # ISO 639-2's word for "undetermined"

_TABLE = """
aa Afar|ab Abkhazian|ae Avestan|af Afrikaans|ak Akan|am Amharic|an Aragonese|ar Arabic|as Assamese
av Avaric|ay Aymara|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian|bi Bislama|bm Bambara|bn Bengali
bo Tibetan|br Breton|bs Bosnian|ca Catalan|ce Chechen|ch Chamorro|co Corsican|cr Cree|cs Czech
cu Church Slavic|cv Chuvash|cy Welsh|da Danish|de German|dv Divehi|dz Dzongkha|ee Ewe|el Greek|en English
eo Esperanto|es Spanish|et Estonian|eu Basque|fa Persian|ff Fulah|fi Finnish|fj Fijian|fo Faroese|fr French
fy Western Frisian|ga Irish|gd Scottish Gaelic|gl Galician|gn Guarani|gu Gujarati|gv Manx|ha Hausa|he Hebrew
hi Hindi|ho Hiri Motu|hr Croatian|ht Haitian|hu Hungarian|hy Armenian|hz Herero|ia Interlingua|id Indonesian
ie Interlingue|ig Igbo|ii Sichuan Yi|ik Inupiaq|io Ido|is Icelandic|it Italian|iu Inuktitut|ja Japanese
jv Javanese|ka Georgian|kg Kongo|ki Kikuyu|kj Kuanyama|kk Kazakh|kl Greenlandic|km Khmer|kn Kannada|ko Korean
kr Kanuri|ks Kashmiri|ku Kurdish|kv Komi|kw Cornish|ky Kyrgyz|la Latin|lb Luxembourgish|lg Ganda|li Limburgish
ln Lingala|lo Lao|lt Lithuanian|lu Luba-Katanga|lv Latvian|mg Malagasy|mh Marshallese|mi Maori|mk Macedonian
ml Malayalam|mn Mongolian|mr Marathi|ms Malay|mt Maltese|my Burmese|na Nauru|nb Norwegian Bokmål
nd North Ndebele|ne Nepali|ng Ndonga|nl Dutch|nn Norwegian Nynorsk|no Norwegian|nr South Ndebele|nv Navajo
ny Chichewa|oc Occitan|oj Ojibwa|om Oromo|or Oriya|os Ossetian|pa Punjabi|pi Pali|pl Polish|ps Pashto
pt Portuguese|qu Quechua|rm Romansh|rn Rundi|ro Romanian|ru Russian|rw Kinyarwanda|sa Sanskrit|sc Sardinian
sd Sindhi|se Northern Sami|sg Sango|si Sinhala|sk Slovak|sl Slovenian|sm Samoan|sn Shona|so Somali|sq Albanian
sr Serbian|ss Swati|st Southern Sotho|su Sundanese|sv Swedish|sw Swahili|ta Tamil|te Telugu|tg Tajik|th Thai
ti Tigrinya|tk Turkmen|tl Tagalog|tn Tswana|to Tonga|tr Turkish|ts Tsonga|tt Tatar|tw Twi|ty Tahitian
ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek|ve Venda|vi Vietnamese|vo Volapük|wa Walloon|wo Wolof|xh Xhosa
yi Yiddish|yo Yoruba|za Zhuang|zh Chinese|zu Zulu
"""

LANGUAGE_NAMES: dict[str, str] = {
    code: name
    for code, _, name in (entry.partition(" ") for entry in _TABLE.strip().replace("\n", "|").split("|"))
}
_CODES = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}
_CODES |= {code: code for code in LANGUAGE_NAMES} | {UNKNOWN: UNKNOWN}


def language_code(word: str) -> str:
    """Return the code of a language given as a code ("de", "de-AT", "pt_BR") or an English name ("german").

    Raises DataError, naming the nearest known one, for anything else.
    """
    lowered = word.strip().lower()
    code = _CODES.get(lowered) or _CODES.get(lowered.replace("_", "-").split("-")[0])
    if code is None:
        same_start = [name for name in LANGUAGE_NAMES if name == lowered[:2]] if len(lowered) <= 3 else []
        near = suggest(lowered, same_start or _CODES)
        hint = near if near.startswith(" Did") else ' Use an ISO 639-1 code such as "en", or "und".'
        raise DataError(f"Unknown language {word!r}.{hint}")
    return code


def is_language(word: str) -> bool:
    """Tell whether `word` is an ISO 639-1 code, with or without a region ("de", "de-AT")."""
    return word.strip().lower().replace("_", "-").split("-")[0] in LANGUAGE_NAMES
