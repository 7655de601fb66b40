// SPDX-License-Identifier: BSL-1.0
#include "../../examples/mojifinder/char_index.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The numbers in this file were taken from UnicodeData.txt 15.0.0 with awk and from the unicodedata
// module of Python 3.12, which has the same version of Unicode. Python gives no names to the Tangut
// ideographs of the ranges; the Unicode Standard does (table 4-8), and so do we.

namespace {

using mojifinder::CharIndex;
using Codes = std::vector<char32_t>;

const CharIndex& unicode() {
  static const CharIndex index = CharIndex::from_file(MOJIFINDER_DATA);
  return index;
}

std::size_t count(std::string_view query) { return unicode().search(query).size(); }

std::string result_lines(std::string_view query) {
  std::string lines;
  for (const char32_t code : unicode().search(query)) unicode().append_result_line(lines, code);
  return lines;
}

/// A whole line of data for a character, of which only the name matters.
std::string record(std::string_view code, std::string_view name) {
  return std::string(code) + ';' + std::string(name) + ";Lo;0;L;;;;;N;;;;;\n";
}

/// The message of the exception that `text` is refused with; empty if it is accepted.
std::string refusal(const std::string& text) {
  try {
    CharIndex::from_text(text, "data.txt");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

std::string refusal_of_file(const std::filesystem::path& path) {
  try {
    CharIndex::from_file(path);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

/// A file with this text, as long as the object lives.
struct TemporaryFile {
  explicit TemporaryFile(std::string_view text)
      : path(std::filesystem::temp_directory_path() /
             ("cowire-char-index-" + std::to_string(std::random_device{}()))) {
    std::ofstream(path, std::ios::binary) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::filesystem::path path;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a result line has the code, the character in UTF-8 and the name") {
  using mojifinder::result_line;
  CHECK(result_line(U'9', "DIGIT NINE") == "U+0039\t9\tDIGIT NINE\r\n");
  CHECK(result_line(U' ', "SPACE") == "U+0020\t \tSPACE\r\n");
  CHECK(result_line(0xE9, "E ACUTE") == "U+00E9\t\xC3\xA9\tE ACUTE\r\n");
  CHECK(result_line(0x2654, "KING") == "U+2654\t\xE2\x99\x94\tKING\r\n");
  CHECK(result_line(0x1F525, "FIRE") == "U+1F525\t\xF0\x9F\x94\xA5\tFIRE\r\n");
  CHECK(result_line(0x10FFFF, "LAST") == "U+10FFFF\t\xF4\x8F\xBF\xBF\tLAST\r\n");
}

TEST_CASE("the index appends the same line, and leaves what is there") {
  std::string out = "before\n";
  unicode().append_result_line(out, U'9');
  CHECK(out == "before\nU+0039\t9\tDIGIT NINE\r\n");
  for (const char32_t code : Codes{0x20, 0x4E2D, 0xAC01, 0x1F525, 0x17000}) {
    out.clear();
    unicode().append_result_line(out, code);
    CHECK(out == mojifinder::result_line(code, unicode().name(code)));
  }
}

TEST_CASE("the status line is a rule of 66 dashes and the number") {
  std::string rule;
  for (int i = 0; i < 66; ++i) rule += "\xE2\x94\x80";
  CHECK(mojifinder::status_line(0) == rule + " 0 found\r\n");
  CHECK(mojifinder::status_line(1) == rule + " 1 found\r\n");
  CHECK(mojifinder::status_line(98263) == rule + " 98263 found\r\n");
}

TEST_CASE("names that the data lists") {
  const std::pair<char32_t, std::string_view> names[] = {
      {0x0020, "SPACE"},
      {0x0039, "DIGIT NINE"},
      {0x007E, "TILDE"},
      {0x00A0, "NO-BREAK SPACE"},
      {0x00DF, "LATIN SMALL LETTER SHARP S"},
      {0x0F0A, "TIBETAN MARK BKA- SHOG YIG MGO"},
      {0x1180, "HANGUL JUNGSEONG O-E"},
      {0x265B, "BLACK CHESS QUEEN"},
      {0xF900, "CJK COMPATIBILITY IDEOGRAPH-F900"},
      {0xFA0E, "CJK COMPATIBILITY IDEOGRAPH-FA0E"},
      {0xFFFD, "REPLACEMENT CHARACTER"},
      {0x16FE1, "NUSHU ITERATION MARK"},
      {0x18800, "TANGUT COMPONENT-001"},
      {0x18B00, "KHITAN SMALL SCRIPT CHARACTER-18B00"},
      {0x18CD5, "KHITAN SMALL SCRIPT CHARACTER-18CD5"},
      {0x1B170, "NUSHU CHARACTER-1B170"},
      {0x1B2FB, "NUSHU CHARACTER-1B2FB"},
      {0x1F22D, "SQUARED CJK UNIFIED IDEOGRAPH-4E2D"},
      {0x1F525, "FIRE"},
      {0x2F800, "CJK COMPATIBILITY IDEOGRAPH-2F800"},
      {0x2FA1D, "CJK COMPATIBILITY IDEOGRAPH-2FA1D"},
      {0xE01EF, "VARIATION SELECTOR-256"},
  };
  for (const auto& [code, name] : names) CHECK(unicode().name(code) == name);
}

TEST_CASE("names that follow from a range, at both ends of each") {
  const std::pair<char32_t, std::string_view> names[] = {
      {0x3400, "CJK UNIFIED IDEOGRAPH-3400"},   {0x4DBF, "CJK UNIFIED IDEOGRAPH-4DBF"},
      {0x4E00, "CJK UNIFIED IDEOGRAPH-4E00"},   {0x4E2D, "CJK UNIFIED IDEOGRAPH-4E2D"},
      {0x9FFF, "CJK UNIFIED IDEOGRAPH-9FFF"},   {0xAC00, "HANGUL SYLLABLE GA"},
      {0xAC01, "HANGUL SYLLABLE GAG"},          {0xC544, "HANGUL SYLLABLE A"},
      {0xD55C, "HANGUL SYLLABLE HAN"},          {0xD7A3, "HANGUL SYLLABLE HIH"},
      {0x17000, "TANGUT IDEOGRAPH-17000"},      {0x187F7, "TANGUT IDEOGRAPH-187F7"},
      {0x18D00, "TANGUT IDEOGRAPH-18D00"},      {0x18D08, "TANGUT IDEOGRAPH-18D08"},
      {0x20000, "CJK UNIFIED IDEOGRAPH-20000"}, {0x2A6DF, "CJK UNIFIED IDEOGRAPH-2A6DF"},
      {0x2A700, "CJK UNIFIED IDEOGRAPH-2A700"}, {0x2B739, "CJK UNIFIED IDEOGRAPH-2B739"},
      {0x2B740, "CJK UNIFIED IDEOGRAPH-2B740"}, {0x2B81D, "CJK UNIFIED IDEOGRAPH-2B81D"},
      {0x2B820, "CJK UNIFIED IDEOGRAPH-2B820"}, {0x2CEA1, "CJK UNIFIED IDEOGRAPH-2CEA1"},
      {0x2CEB0, "CJK UNIFIED IDEOGRAPH-2CEB0"}, {0x2EBE0, "CJK UNIFIED IDEOGRAPH-2EBE0"},
      {0x30000, "CJK UNIFIED IDEOGRAPH-30000"}, {0x3134A, "CJK UNIFIED IDEOGRAPH-3134A"},
      {0x31350, "CJK UNIFIED IDEOGRAPH-31350"}, {0x323AF, "CJK UNIFIED IDEOGRAPH-323AF"},
  };
  for (const auto& [code, name] : names) {
    CHECK(unicode().name(code) == name);
    // The sign U+1F229, a squared 4E00, has the words of that ideograph too, as 1F22D those of
    // 4E2D.
    const bool is_squared_too = code == 0x4E00 || code == 0x4E2D;
    CHECK(unicode().search(name).size() == (is_squared_too ? 2 : 1));
    CHECK(unicode().search(name).front() == code);
  }
}

TEST_CASE("characters without a name have none") {
  for (const char32_t code :
       Codes{0x00,    0x0A,    0x1F,    0x7F,    0x9F,     0x0378,   0xA48D,  0xD7A4,
             0xD800,  0xDFFF,  0xE000,  0xF8FF,  0xFFFE,   0x187F8,  0x18D09, 0x2A6E0,
             0x2B73A, 0x3134B, 0x323B0, 0xF0000, 0x10FFFD, 0x10FFFF, 0x110000}) {
    CHECK(unicode().name(code).empty());
  }
}

TEST_CASE("each Hangul syllable has its own name, and the name finds it") {
  std::set<std::string> names;
  for (char32_t code = 0xAC00; code <= 0xD7A3; ++code) {
    const std::string name = unicode().name(code);
    REQUIRE(unicode().search(name) == Codes{code});
    names.insert(name);
  }
  CHECK(names.size() == 11172);
  for (const auto* wrong : {"hangul syllable gagg a", "hangul syllable g", "hangul syllable aga",
                            "hangul syllable gaq", "hangul syllable ddx", "hangul syllable ac01"}) {
    CHECK(count(wrong) == 0);
  }
}

TEST_CASE("how many characters are found") {
  CHECK(unicode().size() == 149186);
  CHECK(count("cjk") == 98263);
  CHECK(count("cjk unified ideograph") == 97098);
  CHECK(count("cjk compatibility ideograph") == 1014);
  CHECK(count("hangul") == 11735);
  CHECK(count("hangul syllable") == 11172);
  CHECK(count("tangut") == 6914);
  CHECK(count("tangut ideograph") == 6145);
  CHECK(count("nushu") == 397);
  CHECK(count("khitan") == 471);
  CHECK(count("cat face") == 10);
  CHECK(count("chess black") == 33);
  CHECK(count("fire") == 11);
  CHECK(count("digit") == 898);
  CHECK(count("letter capital") == 1549);
  CHECK(count("a") == 821);
}

TEST_CASE("fire") {
  CHECK(result_lines("fire") ==
        "U+2632\t☲\tTRIGRAM FOR FIRE\r\n"
        "U+2EA3\t⺣\tCJK RADICAL FIRE\r\n"
        "U+2F55\t⽕\tKANGXI RADICAL FIRE\r\n"
        "U+322B\t㈫\tPARENTHESIZED IDEOGRAPH FIRE\r\n"
        "U+328B\t㊋\tCIRCLED IDEOGRAPH FIRE\r\n"
        "U+4DDD\t䷝\tHEXAGRAM FOR THE CLINGING FIRE\r\n"
        "U+1F525\t🔥\tFIRE\r\n"
        "U+1F692\t🚒\tFIRE ENGINE\r\n"
        "U+1F6F1\t🛱\tONCOMING FIRE ENGINE\r\n"
        "U+1F702\t🜂\tALCHEMICAL SYMBOL FOR FIRE\r\n"
        "U+1F9EF\t🧯\tFIRE EXTINGUISHER\r\n");
}

TEST_CASE("cat face") {
  CHECK(result_lines("cat face") ==
        "U+1F431\t🐱\tCAT FACE\r\n"
        "U+1F638\t😸\tGRINNING CAT FACE WITH SMILING EYES\r\n"
        "U+1F639\t😹\tCAT FACE WITH TEARS OF JOY\r\n"
        "U+1F63A\t😺\tSMILING CAT FACE WITH OPEN MOUTH\r\n"
        "U+1F63B\t😻\tSMILING CAT FACE WITH HEART-SHAPED EYES\r\n"
        "U+1F63C\t😼\tCAT FACE WITH WRY SMILE\r\n"
        "U+1F63D\t😽\tKISSING CAT FACE WITH CLOSED EYES\r\n"
        "U+1F63E\t😾\tPOUTING CAT FACE\r\n"
        "U+1F63F\t😿\tCRYING CAT FACE\r\n"
        "U+1F640\t🙀\tWEARY CAT FACE\r\n");
  CHECK(result_lines("cat tears") == "U+1F639\t😹\tCAT FACE WITH TEARS OF JOY\r\n");
}

TEST_CASE("chess black") {
  CHECK(unicode().search("chess black") ==
        Codes{0x265A,  0x265B,  0x265C,  0x265D,  0x265E,  0x265F,  0x1FA07, 0x1FA0F, 0x1FA10,
              0x1FA11, 0x1FA12, 0x1FA13, 0x1FA14, 0x1FA1C, 0x1FA24, 0x1FA25, 0x1FA26, 0x1FA27,
              0x1FA28, 0x1FA29, 0x1FA31, 0x1FA39, 0x1FA3A, 0x1FA3B, 0x1FA3C, 0x1FA3D, 0x1FA3E,
              0x1FA46, 0x1FA49, 0x1FA4C, 0x1FA51, 0x1FA52, 0x1FA53});
  CHECK(result_lines("chess black").starts_with("U+265A\t♚\tBLACK CHESS KING\r\n"));
  CHECK(result_lines("chess black").ends_with("U+1FA53\t🩓\tBLACK CHESS KNIGHT-BISHOP\r\n"));
}

TEST_CASE("case, blanks, hyphens, order and repetition of the words do not matter") {
  const Codes cats = unicode().search("cat face");
  for (const auto* same : {"CAT FACE", "Cat-Face", "face cat", "  cat\t\tface ", "-cat--face-",
                           "cat face cat cat", "cat\x1C\x1D\x1E\x1F\n\v\f\rface"}) {
    CHECK(unicode().search(same) == cats);
  }
  // Blanks beyond ASCII: U+0085, U+00A0, U+1680, U+2000, U+200A, U+2028, U+202F, U+205F, U+3000.
  for (const auto* blank : {"\xC2\x85", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x8A",
                            "\xE2\x80\xA8", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"}) {
    CHECK(unicode().search("cat" + std::string(blank) + "face") == cats);
  }
  // U+200B, a zero width space, is no blank, nor is U+2010, a hyphen.
  CHECK(count("cat\u200Bface") == 0);
  CHECK(count("cat\u2010face") == 0);
}

TEST_CASE("words are parted at blanks and hyphens, and a to z become capitals") {
  std::vector<std::string> words;
  const auto keep = [&](const std::string& word) { words.push_back(word); };
  mojifinder::for_each_word(" abcdefghijklm-nopqrstuvwxyz\t09@[`{ \u00E9\u00DFa", keep);
  CHECK(words ==
        std::vector<std::string>{"ABCDEFGHIJKLM", "NOPQRSTUVWXYZ", "09@[`{", "\u00E9\u00DFA"});
}

TEST_CASE("a word is found as a whole, in names with hyphens too") {
  CHECK(unicode().search("heart shaped cat") == Codes{0x1F63B});
  CHECK(unicode().search("heart-shaped cat") == Codes{0x1F63B});
  CHECK(count("extinguish") == 0);
  CHECK(count("ire") == 0);
  CHECK(unicode().search("bka shog") == Codes{0x0F0A});
}

TEST_CASE("no words, no results; words that no name has, no results") {
  for (const std::string query :
       {"", " ", "-", " - \t\r\n", "xyzzy", "fire xyzzy", "xyzzy fire", "cjk xyzzy", "<control>",
        "first>", "\xC3\x9F", "ma\xC3\x9F", "\xE4\xB8\xAD", "\xFF\xFF", "fire \xC3"}) {
    INFO(query);
    CHECK(count(query) == 0);
  }
  CHECK(count(std::string_view("fire\0", 5)) == 0);
}

TEST_CASE("a number finds the ideograph, written as in the name") {
  CHECK(unicode().search("4e2d") == Codes{0x4E2D, 0x1F22D});
  CHECK(unicode().search("cjk-4E2D") == Codes{0x4E2D, 0x1F22D});
  CHECK(unicode().search("tangut 17000") == Codes{0x17000});
  CHECK(unicode().search("2A6DF") == Codes{0x2A6DF});
  for (const auto* wrong :
       {"04e2d", "0x4e2d", "4e2dx", "+4e2d", "u+4e2d", "4e2", "tangut 4e2d", "cjk 17000",
        "4e2d 4e2e", "hangul 4e2d", "100004e2d", "ffffffffffffffff4e2d"}) {
    INFO(wrong);
    CHECK(count(wrong) == 0);
  }
}

TEST_CASE("results are in code point order, whatever they come from") {
  for (const auto* query : {"cjk", "ideograph", "hangul", "a", "e", "tangut"}) {
    const Codes found = unicode().search(query);
    CHECK(std::ranges::adjacent_find(found, std::greater_equal<>()) == found.end());
  }
}

TEST_CASE("a long query is answered too") {
  std::string query;
  while (query.size() < 65536) query += "cjk letter ";
  CHECK(count(query) == 0);
  query.clear();
  while (query.size() < 65536) query += "cjk ";
  CHECK(count(query) == 98263);
  CHECK(count(std::string(65536, 'A')) == 0);
}

TEST_CASE("an index can be copied and moved") {
  CharIndex first = CharIndex::from_text(record("0041", "A") + record("0042", "B C"));
  const CharIndex copy = first;
  const CharIndex moved = std::move(first);
  for (const CharIndex* index : {&copy, &moved}) {
    CHECK(index->size() == 2);
    CHECK(index->search("c") == Codes{0x42});
    CHECK(index->name(0x42) == "B C");
  }
}

TEST_CASE("data with any line ends, and without a last one") {
  CHECK(
      CharIndex::from_text("0041;A;Lu;0;L;;;;;N;;;;0061;\r\n0042;B;Lu;0;L;;;;;N;;;;0062;").size() ==
      2);
}

TEST_CASE("data that is not right is refused with its line and the remedy") {
  const std::string a = record("0041", "A");
  CHECK(refusal(a).empty());

  const std::pair<std::string, std::string> cases[] = {
      {"", "data.txt:0: the file is empty"},
      {"\n", "data.txt:1: not a line of 15 fields"},
      {a + "<html>\n", "data.txt:2: not a line of 15 fields"},
      {a + "0042;B;Lu;0", "data.txt:2: not a line of 15 fields"},
      {a + "0042;B;Lu;0;L;;;;;N;;;;;;\n", "data.txt:2: not a line of 15 fields"},
      {a + record("", "B"), "data.txt:2: '' is not a code point"},
      {a + record("00G2", "B"), "data.txt:2: '00G2' is not a code point"},
      {a + record(" 0042", "B"), "data.txt:2: ' 0042' is not a code point"},
      {a + record("-042", "B"), "data.txt:2: '-042' is not a code point"},
      {a + record("110000", "B"), "data.txt:2: '110000' is not a code point"},
      {a + record("FFFFFFFFFFFFFFFFF", "B"), "is not a code point"},
      {a + record("0042", ""), "data.txt:2: '' is not a character's name"},
      {a + record("0042", "b"), "data.txt:2: 'b' is not a character's name"},
      {a + record("0042", "B\tC"), "is not a character's name"},
      {a + a, "data.txt:2: the code points do not ascend"},
      {a + record("0040", "B"), "data.txt:2: the code points do not ascend"},
      {record("4E00", "<CJK Ideograph, First>"), "data.txt:1: a range starts that is not ended"},
      {a + record("9FFF", "<CJK Ideograph, Last>"),
       "data.txt:2: a range ends that was not started"},
      {record("4E00", "<CJK Ideograph, First>") + record("9FFF", "B"),
       "data.txt:2: 'B' does not end the range before it"},
      {record("4E00", "<CJK Ideograph, First>") + record("9FFF", "<Tangut Ideograph, Last>"),
       "data.txt:2: '<Tangut Ideograph, Last>' does not end the range before it"},
      {record("9FFF", "<CJK Ideograph, First>") + record("4E00", "<CJK Ideograph, Last>"),
       "data.txt:2: the code points do not ascend"},
      {record("AC00", "<Hangul Syllable, First>") + record("FFFF", "<Hangul Syllable, Last>"),
       "data.txt:2: the Hangul syllables are not U+AC00 to U+D7A3"},
  };
  for (const auto& [text, message] : cases) {
    CHECK_MESSAGE(contains(refusal(text), message), refusal(text));
    CHECK(contains(refusal(text), "; replace it by the UnicodeData.txt"));
  }
}

TEST_CASE("data that is cut within a line or a range is refused") {
  const std::string a = record("0041", "A");
  const std::string range =
      record("4E00", "<CJK Ideograph, First>") + record("9FFF", "<CJK Ideograph, Last>");
  const std::string text = a + range;
  for (std::size_t size = 0; size < text.size() - 1; ++size) {
    const bool is_whole = size == a.size() || size == a.size() - 1;
    INFO("cut at " << size);
    CHECK(refusal(text.substr(0, size)).empty() == is_whole);
  }
}

TEST_CASE("a file that cannot be read is an error that names it and says what to do") {
  namespace fs = std::filesystem;
  const fs::path missing = fs::path(MOJIFINDER_DATA).parent_path() / "no-such-file.txt";
  const std::string message = refusal_of_file(missing);
  CHECK(contains(message, "cannot read " + missing.string() + ": No such file or directory"));
  CHECK(contains(message, "give the path of the UnicodeData.txt"));
  const fs::path folder = fs::path(MOJIFINDER_DATA).parent_path();
  CHECK(contains(refusal_of_file(folder), "cannot read " + folder.string() + ": Is a directory"));
}

TEST_CASE("a file of something else is an error that names its first wrong line") {
  const TemporaryFile file("<!doctype html>\n<title>404 Not Found</title>\n");
  CHECK(contains(refusal_of_file(file.path), file.path.string() + ":1: not a line of 15 fields"));
  const TemporaryFile empty("");
  CHECK(contains(refusal_of_file(empty.path), empty.path.string() + ":0: the file is empty"));
}

TEST_CASE("UTF-8: valid") {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, "a"sv, "\0"sv, "\x7F"sv, "\xC2\x80"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv,
        "\xED\x9F\xBF"sv, "\xEE\x80\x80"sv, "\xEF\xBF\xBF"sv, "\xF0\x90\x80\x80"sv,
        "\xF4\x8F\xBF\xBF"sv, "a\xC3\xA9\xE2\x99\x94\xF0\x9F\x94\xA5z"sv}) {
    CHECK(mojifinder::is_valid_utf8(text));
  }
}

TEST_CASE("UTF-8: every kind of invalid sequence, at the start, within and at the end of text") {
  using namespace std::string_view_literals;
  for (const std::string_view bad : {
           "\x80"sv,
           "\xBF"sv,  // a tail without a lead
           "\xC0\x80"sv,
           "\xC0\xAF"sv,
           "\xC1\xBF"sv,  // overlong, two bytes
           "\xE0\x80\x80"sv,
           "\xE0\x9F\xBF"sv,  // overlong, three
           "\xF0\x80\x80\x80"sv,
           "\xF0\x8F\xBF\xBF"sv,  // overlong, four
           "\xED\xA0\x80"sv,
           "\xED\xAF\xBF"sv,
           "\xED\xB0\x80"sv,
           "\xED\xBF\xBF"sv,  // surrogates
           "\xF4\x90\x80\x80"sv,
           "\xF5\x80\x80\x80"sv,
           "\xF7\xBF\xBF\xBF"sv,  // above U+10FFFF
           "\xF8\x88\x80\x80\x80"sv,
           "\xFC\x84\x80\x80\x80\x80"sv,  // five and six bytes
           "\xFE"sv,
           "\xFF"sv,
           "\xFF\xF4\xFF\xFD\x06"sv,  // never; telnet's Ctrl-C
           "\xC2"sv,
           "\xE2\x99"sv,
           "\xE2"sv,
           "\xF0\x9F\x94"sv,
           "\xF0\x9F"sv,
           "\xF0"sv,  // cut off
           "\xC2\x41"sv,
           "\xC2\xC2\x80"sv,
           "\xE2\x41\x80"sv,
           "\xE2\x99\x41"sv,  // wrong tails
           "\xF0\x9F\x94\x41"sv,
           "\xF0\x9F\xC0\x80"sv,
       }) {
    const std::string text(bad);
    CHECK_FALSE(mojifinder::is_valid_utf8(text));
    CHECK_FALSE(mojifinder::is_valid_utf8(text + "fire"));
    CHECK_FALSE(mojifinder::is_valid_utf8("fire\xC3\xA9" + text));
    CHECK_FALSE(mojifinder::is_valid_utf8("fire" + text + "fire"));
  }
}

TEST_CASE("UTF-8: a text that ends within a character is invalid, whatever follows in memory") {
  for (const std::string_view whole : {"\u00E9", "\u2654", "\U0001F525"}) {
    CHECK(mojifinder::is_valid_utf8(whole));
    for (std::size_t size = 1; size < whole.size(); ++size) {
      CHECK(mojifinder::first_character(whole.substr(0, size)).size == 0);
      CHECK_FALSE(mojifinder::is_valid_utf8(whole.substr(0, size)));
    }
  }
}

TEST_CASE("UTF-8: each character is written and read back; what is no character is replaced") {
  std::string text;
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code == 0xD800) code = 0xE000;
    text.clear();
    mojifinder::append_utf8(text, code);
    const auto [read, size] = mojifinder::first_character(text);
    if (read != code || size != text.size()) FAIL("U+" << std::hex << std::uint32_t(code));
  }
  for (const char32_t wrong : Codes{0xD800, 0xDFFF, 0x110000, 0x7FFFFFFF}) {
    text.clear();
    mojifinder::append_utf8(text, wrong);
    CHECK(text == "\xEF\xBF\xBD");
  }
}
