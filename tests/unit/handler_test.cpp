// SPDX-License-Identifier: BSL-1.0
#include "cowire/handler.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"

#include <functional>
#include <string>
#include <type_traits>

using namespace cowire;

namespace {

using Lines = StreamProtocol<LineSerializer<>>;
using Client = Peer<std::string>;
using Talk = Generator<std::string>;

struct Minimal {
  Talk handle(Client&) { co_yield {}; }
};
struct ByConstReference {
  Talk handle(const Client&) { co_yield {}; }
};
struct Static {
  static Talk handle(Client&) { co_yield {}; }
};
struct AnyPeer {
  template <class Response>
  Generator<Response> handle(Peer<Response>&) {
    co_yield {};
  }
};
struct PlainHooks : Minimal {
  void on_connection(Client&) {}
  void on_disconnection(Client&) {}
  void service_init(Service&) {}
};
struct TaskHooks : Minimal {
  Task<void> on_connection(Client&) { co_return; }
  Task<void> on_disconnection(Client&) { co_return; }
  Task<void> service_init(Service&) { co_return; }
};
struct GeneratorHook : Minimal {
  Talk on_connection(Client&) { co_yield {}; }
};

struct StateEverywhere {
  struct PeerState {};
  Talk handle(Client&, PeerState&) { co_yield {}; }
  Talk on_connection(Client&, PeerState&) { co_yield {}; }
  Task<void> on_disconnection(Client&, const PeerState&) { co_return; }
};
struct StateOfTheConnectionOnly : Minimal {
  using PeerState = int;
  void on_connection(Client&, int&) {}
  void on_disconnection(Client&) {}
};
struct StateUnused : Minimal {
  using PeerState = std::string;
};
struct StateFunction {
  struct PeerState {};
  Talk operator()(Client&, PeerState&) const { co_yield {}; }
};
struct BothForms {
  struct PeerState {};
  Talk handle(Client&);
  Talk handle(Client&, PeerState&) { co_yield {}; }
};

struct Nothing {};
struct StateNotDeclared {
  Talk handle(Client&, std::string&) { co_yield {}; }
};
struct StateWithoutDefault : Minimal {
  struct PeerState {
    explicit PeerState(int) {}
  };
};
struct StateIsReference : Minimal {
  using PeerState = int&;
};
struct StateIsVoid : Minimal {
  using PeerState = void;
};
struct HookOfAnotherState : Minimal {
  struct PeerState {};
  void on_disconnection(Client&, std::string&) {}
};
struct OtherRequest {
  Generator<int> handle(Client&) { co_yield {}; }
};
struct OtherPeer {
  Talk handle(Peer<int>&) { co_yield {}; }
};
struct ReturnsTask {
  Task<void> handle(Client&) { co_return; }
};
struct WrongOnConnection : Minimal {
  int on_connection(Client&) { return 0; }
};
struct OnConnectionOfAnotherRequest : Minimal {
  Generator<int> on_connection(Client&) { co_yield {}; }
};
struct WrongOnDisconnection : Minimal {
  void on_disconnection() {}
};
struct GeneratorOnDisconnection : Minimal {
  Talk on_disconnection(Client&) { co_yield {}; }
};
struct WrongServiceInit : Minimal {
  void service_init() {}
};

static_assert(Handler<Minimal, Lines>);
static_assert(Handler<ByConstReference, Lines>);
static_assert(Handler<Static, Lines>);
static_assert(Handler<AnyPeer, Lines>);
static_assert(Handler<PlainHooks, Lines>);
static_assert(Handler<TaskHooks, Lines>);
static_assert(Handler<GeneratorHook, Lines>);
static_assert(Handler<Talk (*)(Client&), Lines>);
static_assert(Handler<std::function<Talk(Client&)>, Lines>);

static_assert(Handler<StateEverywhere, Lines>);
static_assert(Handler<StateOfTheConnectionOnly, Lines>);
static_assert(Handler<StateUnused, Lines>);
static_assert(Handler<StateFunction, Lines>);
static_assert(Handler<BothForms, Lines> && detail::HandlesWithState<BothForms, Lines>);

static_assert(!Handler<Nothing, Lines>);
static_assert(!Handler<StateNotDeclared, Lines>);
static_assert(!Handler<StateWithoutDefault, Lines>);
static_assert(!Handler<StateIsReference, Lines>);
static_assert(!Handler<StateIsVoid, Lines>);
static_assert(!Handler<HookOfAnotherState, Lines>);
static_assert(!Handler<OtherRequest, Lines>);
static_assert(!Handler<OtherPeer, Lines>);
static_assert(!Handler<ReturnsTask, Lines>);
static_assert(!Handler<WrongOnConnection, Lines>);
static_assert(!Handler<OnConnectionOfAnotherRequest, Lines>);
static_assert(!Handler<WrongOnDisconnection, Lines>);
static_assert(!Handler<GeneratorOnDisconnection, Lines>);
static_assert(!Handler<WrongServiceInit, Lines>);
static_assert(!Handler<int, Lines>);
static_assert(!Handler<Minimal, int>);

static_assert(!detail::HasOnConnection<Minimal, Lines> &&
              !detail::HasOnDisconnection<Minimal, Lines> && !detail::HasServiceInit<Minimal>);
static_assert(detail::HasOnConnection<PlainHooks, Lines> &&
              detail::HasOnDisconnection<PlainHooks, Lines> && detail::HasServiceInit<PlainHooks>);
static_assert(detail::HasOnConnection<TaskHooks, Lines> &&
              detail::HasOnDisconnection<TaskHooks, Lines> && detail::HasServiceInit<TaskHooks>);
static_assert(detail::HasOnConnection<GeneratorHook, Lines>);

// A lambda may capture: it lives in the server.
[[maybe_unused]] const auto capturing = [greeting = std::string("hello")](Client& client) -> Talk {
  client.send_packet(greeting);
  co_yield {};
};
static_assert(Handler<std::remove_const_t<decltype(capturing)>, Lines>);

}  // namespace
