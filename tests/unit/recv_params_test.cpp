// SPDX-License-Identifier: BSL-1.0
#include "cowire/recv_params.hpp"

#include "cowire/ancillary.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <optional>
#include <type_traits>

using namespace cowire;
using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

TEST_CASE("T1: RecvParams takes durations of any unit") {
  CHECK(RecvParams().timeout() == std::nullopt);
  CHECK(RecvParams(30s).timeout() == std::optional<RecvParams::duration>(30s));
  CHECK(RecvParams(5ms).timeout() == std::optional<RecvParams::duration>(5ms));
  CHECK(RecvParams(Seconds(1.5)).timeout() == std::optional<RecvParams::duration>(1500ms));
  CHECK(RecvParams(0s).timeout() == std::optional<RecvParams::duration>(0s));
}

TEST_CASE("T3: a negative limit or NaN is invalid_argument when it is asked for") {
  const RecvParams wrong[] = {RecvParams(-1ns), RecvParams(-1h), RecvParams(Seconds(-0.5)),
                              RecvParams(Seconds(std::numeric_limits<double>::quiet_NaN())),
                              RecvParams(Seconds(-std::numeric_limits<double>::infinity()))};
  for (const RecvParams& params : wrong) {
    const auto error = thrown([&] { (void)params.timeout(); });
    REQUIRE(error);
    CHECK(error->code() == errc::invalid_argument);
  }
}

TEST_CASE("T3: an infinite limit, or one beyond a lifetime, is no limit") {
  CHECK(RecvParams(Seconds(std::numeric_limits<double>::infinity())).timeout() == std::nullopt);
  CHECK(RecvParams(std::chrono::hours::max()).timeout() == std::nullopt);
  CHECK(RecvParams(std::chrono::nanoseconds::max()).timeout() == std::nullopt);
  CHECK(RecvParams(Seconds(-0.0)).timeout() == std::optional<RecvParams::duration>(0s));
}

TEST_CASE("a wait for what comes with the packet keeps its time limit") {
  Ancillary came;
  const RecvParams params = RecvParams(30s).with_ancillary(came);
  CHECK(params.timeout() == std::optional<RecvParams::duration>(30s));
  CHECK(params.ancillary() == &came);
  CHECK_FALSE(params.is_plain());
  CHECK(RecvParams(30s).is_plain());
  CHECK(RecvParams(30s).ancillary() == nullptr);
  CHECK_FALSE(RecvParams(-30s).is_plain());
  CHECK(as_result(params).params().ancillary() == &came);
}

TEST_CASE("co_yield {} can only mean RecvParams") {
  CHECK(!std::is_default_constructible_v<AsResult>);
  CHECK(!std::is_default_constructible_v<RecvAsResult>);
  CHECK(!std::is_convertible_v<std::chrono::seconds, RecvAsResult>);
  CHECK(as_result(30s).params().timeout() == std::optional<RecvParams::duration>(30s));
}
