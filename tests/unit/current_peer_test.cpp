// SPDX-License-Identifier: BSL-1.0
#include "cowire/current_peer.hpp"

#include "cowire/detail/runs_here.hpp"
#include "support/run.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/execution/blocking.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/require.hpp>
#include <asio/strand.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

using namespace cowire;
using detail::executor_for;
using detail::PeerExecutor;
using detail::PeerScope;

namespace {

class SomePeer final : public PeerContext {
 public:
  explicit SomePeer(std::uint64_t id) : id_(id) {}
  std::uint64_t id() const noexcept override { return id_; }
  Endpoint remote_endpoint() const override { return {"somewhere", 1}; }

 private:
  std::uint64_t id_;
};

using Context = asio::io_context::executor_type;
static_assert(sizeof(PeerExecutor<Context>) <= 3 * sizeof(void*));  // What any_io_executor holds.
static_assert(std::is_nothrow_move_constructible_v<PeerExecutor<Context>>);

}  // namespace

TEST_CASE("nobody, unless it is said; scopes nest") {
  CHECK(current_peer() == nullptr);
  const SomePeer one(1);
  const SomePeer two(2);
  {
    const PeerScope outer(&one);
    CHECK(current_peer() == &one);
    {
      const PeerScope inner(&two);
      CHECK(current_peer() == &two);
      const PeerScope nobody(nullptr);
      CHECK(current_peer() == nullptr);
    }
    CHECK(current_peer() == &one);
  }
  CHECK(current_peer() == nullptr);
}

TEST_CASE("an executor for a peer runs everything for it, as its own kind does") {
  asio::io_context io;
  const auto peer = std::make_shared<SomePeer>(7);
  asio::any_io_executor plain = io.get_executor();
  SUBCASE("an io_context's") {}
  SUBCASE("a strand's") { plain = asio::make_strand(io); }
  SUBCASE("a strand's of any executor") { plain = asio::make_strand(plain); }
  const asio::any_io_executor executor = executor_for(peer, plain);
  CHECK(executor == executor_for(peer, plain));
  CHECK(executor != plain);
  CHECK(executor != executor_for(std::make_shared<SomePeer>(7), plain));
  CHECK(&asio::query(executor, asio::execution::context) == &io);

  int ran = 0;
  const auto work = [&] {
    ++ran;
    CHECK(current_peer() == peer.get());
  };
  asio::post(executor, work);
  executor.execute(work);
  asio::require(executor, asio::execution::blocking.never).execute(work);
  CHECK(ran == 0);
  settle(io);
  CHECK(ran == 3);
  CHECK(current_peer() == nullptr);

  const auto tracked = asio::prefer(executor, asio::execution::outstanding_work.tracked);
  io.restart();
  CHECK(io.poll() == 0);
  CHECK_FALSE(io.stopped());  // There is work.
  asio::post(executor, [&] {
    executor.execute(work);  // At once.
    CHECK(ran == 4);
  });
  settle(io);
  CHECK(ran == 4);
}

TEST_CASE("an executor for a peer is recognised as that of this thread") {
  asio::io_context io;
  const auto peer = std::make_shared<SomePeer>(7);
  const asio::any_io_executor any = io.get_executor();
  const asio::any_io_executor executors[] = {
      executor_for(peer, io.get_executor()), executor_for(peer, any),
      executor_for(peer, asio::make_strand(io)), executor_for(peer, asio::make_strand(any)),
      executor_for(peer, asio::any_io_executor(asio::make_strand(any)))};
  for (const auto& executor : executors) {
    CHECK_FALSE(detail::runs_here(executor));
    bool ran = false;
    asio::post(executor, [&] { ran = detail::runs_here(executor); });
    settle(io);
    CHECK(ran);
  }
  CHECK(executors[0] == executors[1]);  // Not wrapped twice.
}
