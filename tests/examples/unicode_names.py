"""What mojifinder must answer, found from UnicodeData.txt by means of its own: a second opinion."""
import pathlib
import re

DATA = pathlib.Path(__file__).resolve().parents[2] / "examples" / "mojifinder" / "UnicodeData.txt"
RULE = "\u2500" * 66

# The Unicode Standard, section 3.12: the short names of the jamo.
LEADS = "G GG N D DD R M B BB S SS _ J JJ C K T P H".replace("_", "").split(" ")
VOWELS = "A AE YA YAE EO E YEO YE O WA WAE OE YO U WEO WE WI YU EU YI I".split(" ")
TRAILS = "_ G GG GS N NJ NH D L LG LM LB LS LT LP LH M B BS S SS NG J C K T P H".replace(
    "_", "").split(" ")


def _derived_name(label, code):
    if label.startswith("<CJK Ideograph"):
        return f"CJK UNIFIED IDEOGRAPH-{code:04X}"
    if label.startswith("<Tangut Ideograph"):
        return f"TANGUT IDEOGRAPH-{code:04X}"
    if label.startswith("<Hangul Syllable"):
        lead, rest = divmod(code - 0xAC00, 21 * 28)
        vowel, trail = divmod(rest, 28)
        return "HANGUL SYLLABLE " + LEADS[lead] + VOWELS[vowel] + TRAILS[trail]
    return None  # a surrogate, or for private use


def _named_characters():
    first = None
    for line in DATA.read_text("ascii").splitlines():
        number, label = line.split(";")[:2]
        code = int(number, 16)
        if label.endswith(", First>"):
            first = code
        elif label.endswith(", Last>"):
            for each in range(first, code + 1):
                name = _derived_name(label, each)
                if name:
                    yield each, name
        elif not label.startswith("<") and code >= 32:
            yield code, label


def _words(text):
    """Splits at hyphens and blanks; only ASCII letters become capitals."""
    capitals = re.sub("[a-z]+", lambda letters: letters[0].upper(), text)
    return capitals.replace("-", " ").split()


class Names:
    def __init__(self):
        self._names = dict(_named_characters())
        self._index = {}
        for code, name in self._names.items():
            for word in _words(name):
                self._index.setdefault(word, set()).add(code)

    def __len__(self):
        return len(self._names)

    def search(self, query):
        """The characters whose names have all the words, in order; none for no words."""
        sets = [self._index.get(word, set()) for word in _words(query)]
        return sorted(set.intersection(*sets)) if sets else []

    def answer(self, query):
        """All that is sent for a query, from behind its prompt to before the next one."""
        found = self.search(query)
        lines = [f"U+{code:04X}\t{chr(code)}\t{self._names[code]}\r\n" for code in found]
        return ("".join(lines) + f"{RULE} {len(found)} found\r\n").encode()
