// SPDX-License-Identifier: BSL-1.0
#include "../../examples/redis/resp.hpp"

#include "cowire/testing/check_serializer.hpp"
#include "cowire/testing/splits.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace cowire;
using namespace std::string_literals;
using resp::Command;
using resp::Resp;
using testing::decode_every_cut;

using Commands = testing::Outcomes<Resp>;

TEST_CASE("commands as redis-cli sends them, and as people type them") {
  CHECK(decode_every_cut(Resp{}, "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*1\r\n$4\r\nPING\r\n") ==
        Commands{Command{"ECHO", "hi"}, Command{"PING"}});
  CHECK(decode_every_cut(Resp{}, "PING\r\n SET  a\tb \nECHO x\r\n") ==
        Commands{Command{"PING"}, Command{"SET", "a", "b"}, Command{"ECHO", "x"}});
  CHECK(
      decode_every_cut(Resp{}, "*2\r\n$3\r\nGET\r\n$6\r\na\r\n\0*1\r\n\r\n*0\r\n*-1\r\nGET a\n"s) ==
      Commands{Command{"GET", "a\r\n\0*1"s}, Command{"GET", "a"}});
  CHECK(decode_every_cut(Resp{}, "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n") ==
        Commands{Command{"ECHO", ""}});
}

TEST_CASE("what is no command") {
  for (const std::string_view stream :
       {"*x\r\n", "*1025\r\n", "*\r\n", "*1\r\n:4\r\n", "*1\r\n$x\r\n", "*1\r\n$-1\r\n",
        "*1\r\n$4\r\nPINGXY", "*1\r\n$9223372036854775808\r\n"}) {
    CAPTURE(stream);
    CHECK(decode_every_cut(Resp{}, stream) == Commands(1, errc::malformed));
  }
}

TEST_CASE("a command has at most 1024 words, however they come") {
  std::string typed;
  std::string sent = "*1024\r\n";
  for (int i = 0; i < 1024; ++i) {
    typed += "a ";
    sent += "$1\r\na\r\n";
  }
  const Command words(1024, "a");
  CHECK(testing::decode_all(Resp{}, typed + "\n").at(0).packet == words);
  CHECK(testing::decode_all(Resp{}, sent).at(0).packet == words);
  CHECK(testing::decode_all(Resp{}, typed + "a\n").at(0).error == errc::malformed);
}

TEST_CASE("the limit counts the words of a command, or its line") {
  const Resp small(8);
  CHECK(decode_every_cut(small, "*2\r\n$4\r\nECHO\r\n$4\r\nabcd\r\n12345678\n") ==
        Commands{Command{"ECHO", "abcd"}, Command{"12345678"}});
  CHECK(testing::decode_all(small, "*2\r\n$4\r\nECHO\r\n$5\r\n").at(0).error == errc::too_large);
  CHECK(testing::decode_all(small, "*1\r\n$9223372036854775807\r\n").at(0).error ==
        errc::too_large);
  CHECK(decode_every_cut(small, "123456789") == Commands(1, errc::too_large));
  CHECK(decode_every_cut(small, "123456789\n") == Commands(1, errc::too_large));
}

TEST_CASE("the end of the stream inside a command, and between two") {
  CHECK(decode_every_cut(Resp{}, "PING\r\n*1\r\n$4\r\nPI") ==
        Commands{Command{"PING"}, errc::truncated});
  CHECK(decode_every_cut(Resp{}, "PING\r\n\r\n") == Commands{Command{"PING"}});
}

TEST_CASE("each byte is looked at once") {
  CHECK_FALSE(testing::looks_back(Resp{}, std::string(20'000, 'x') + "\n", "\n"));
}

TEST_CASE("commands keep the laws of serializers") {
  const std::string long_word(150, 'x');
  CHECK(testing::check_decoder(
      Resp(400), {"PING\r\n", "*1\r\n$4\r\nPING\r\n", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
                  "SET a " + long_word + "\n", "*1\r\n$150\r\n" + long_word + "\r\n"}));
}
