// SPDX-License-Identifier: BSL-1.0
// The code of docs/handlers.md, and tests of what its tables say.
#include "docs/in_memory.hpp"

#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace handlers_page {

using namespace std::chrono_literals;
using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;

// [shape]
struct Shape {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string request = co_yield {};  // 1. wait for a request
    client.send_packet(request);        // 2. answer it
  }  // 3. the end of the generator, not of the connection
};
// [/shape]

// [function]
const auto shout = [](cowire::Peer<std::string>& client) -> cowire::Generator<std::string> {
  const std::string line = co_yield {};
  client.send_packet(line + "!");
};
// [/function]

// [refuse]
struct Private {
  // A generator: it may ask the peer something before handle begins.
  cowire::Generator<std::string> on_connection(cowire::Peer<std::string>& client) {
    client.send_packet("password?");
    const std::string word = co_yield 10s;
    if (word != "sesame") {
      client.send_packet("no");
      client.close();  // handle will not be called.
    }
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(line);
  }
};
// [/refuse]

// [state]
struct Basket {
  struct PeerState {
    std::string customer;
    std::vector<std::string> goods = {};
  };

  cowire::Generator<std::string> on_connection(cowire::Peer<std::string>&, PeerState& state) {
    state.customer = co_yield {};
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client, PeerState& state) {
    state.goods.push_back(co_yield {});
    client.send_packet(state.customer + " has " + std::to_string(state.goods.size()));
  }

  void on_disconnection(cowire::Peer<std::string>&) {}  // Not every hook need take it.
};
// [/state]

// [group]
struct Room {
  void on_connection(cowire::Peer<std::string>& client) {
    room.broadcast("somebody came in");
    room.join(client);
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    room.broadcast(line, client);  // To all but the speaker.
  }

  void on_disconnection(cowire::Peer<std::string>& client) {
    room.broadcast("somebody left", client);
  }

  cowire::PeerGroup<std::string> room{cowire::SlowReader::close};
};
// [/group]

// [current]
std::string log_text;  // Stands for a log file.

struct Visit {
  std::string customer;
};

void log(std::string_view text) {
  if (const cowire::PeerContext* peer = cowire::current_peer()) {
    log_text += "[" + std::to_string(peer->id()) + " " + to_string(peer->remote_endpoint());
    if (const Visit* visit = peer->state<Visit>()) {
      log_text += " " + visit->customer;
    }
    log_text += "] ";
  }
  log_text += text;
  log_text += '\n';
}

cowire::Task<int> count_goods(std::string kind) {  // Knows nothing of peers.
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  co_await timer.async_wait(asio::use_awaitable);
  log("counted " + kind);
  co_return 3;
}

struct Shop {
  using PeerState = Visit;

  cowire::Generator<std::string> on_connection(cowire::Peer<std::string>&, Visit& visit) {
    visit.customer = co_yield {};
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string kind = co_yield {};
    const int count = co_await count_goods(kind);
    client.send_packet(std::to_string(count));
  }
};
// [/current]

// [cancelled]
struct Careful {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    bool stopping = false;
    try {
      const std::string line = co_yield {};
      client.send_packet(line);
    } catch (const cowire::Error& error) {
      if (error.code() != cowire::errc::cancelled) {
        throw;
      }
      stopping = true;
    }
    if (stopping) {
      client.send_packet("the server stops, good bye");  // It is sent before the close.
    }
  }
};
// [/cancelled]

// [threads]
// Runs in the pool.
cowire::Task<std::string> compute(std::string question) {
  co_return question + " took long";  // Hard work.
}

// Runs where the handler runs, and waits for the pool.
cowire::Task<std::string> compute_in(asio::any_io_executor pool, std::string question) {
  co_return co_await asio::co_spawn(pool, compute(std::move(question)), asio::use_awaitable);
}

struct Worker {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string question = co_yield {};
    const std::string answer = co_await compute_in(pool.get_executor(), question);
    client.send_packet(answer);
  }

  asio::thread_pool& pool;
};
// [/threads]

// [await]
cowire::Task<std::string> look_up(std::string name) {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);  // Stands for a database.
  co_await timer.async_wait(asio::use_awaitable);
  co_return "the entry of " + name;
}

struct LookUp {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string name = co_yield {};
    const std::string entry = co_await look_up(name);  // a task
    asio::steady_timer pause(client.executor(), 1ms);
    co_await pause.async_wait(cowire::deferred);  // an operation of Asio
    client.send_packet(entry);
  }
};
// [/await]

// Notes what happens to its peers.
struct Noted {
  using Peer = cowire::Peer<std::string>;

  void on_connection(Peer& client) { connection ? connection(client) : void(); }
  cowire::Generator<std::string> handle(Peer& client) {
    struct Farewell {
      std::vector<std::string>* notes;
      ~Farewell() { notes->push_back("destroyed"); }
    };
    const Farewell farewell{notes};
    if (before) {
      before(client);
    }
    if (!refuses) {
      const std::string line = co_yield {};
      if (line == "throw") {
        throw std::runtime_error("thrown");
      }
      if (line == "close") {
        client.close();
        std::string more = co_yield {};
        notes->push_back("handled " + more);
      }
      client.send_packet(line);
    }
  }
  void on_disconnection(Peer& client) {
    notes->push_back(client.is_closing() ? "bye, closing" : "bye");
    if (!client.is_closing()) {
      try {
        client.send_packet("bye");
      } catch (const cowire::Error&) {
        notes->push_back("cannot send");
      }
    }
  }

  std::vector<std::string>* notes;
  std::function<void(Peer&)> connection{};
  std::function<void(Peer&)> before{};
  bool refuses = false;
};
using Notes = std::vector<std::string>;

// Keeps the levels of the warnings and errors of one peer.
cowire::ServerOptions noting(Notes& notes) {
  cowire::ServerOptions options;
  options.logger =
      cowire::Logger(cowire::LogLevel::debug, [&notes](const cowire::LogRecord& record) {
        if (record.connection_id != 0 && record.level != cowire::LogLevel::info) {
          notes.push_back("log " + std::string(to_string(record.level)));
        }
      });
  return options;
}
using NotedServer = InMemory<Lines, Noted>;

}  // namespace handlers_page

using namespace handlers_page;

TEST_CASE("a generator of on_connection may refuse") {
  using Server = InMemory<Lines, Private>;
  Server server(Lines{}, Private{});
  Guest<Server> friendly(server);
  CHECK(friendly.say("sesame\nhello\n") == "password?\nhello\n");
  Guest<Server> stranger(server);
  CHECK(stranger.say("guess\nhello\n") == "password?\nno\n");
  CHECK(stranger.was_sent_away());
}

TEST_CASE("each peer has a state of its own") {
  using Server = InMemory<Lines, Basket>;
  Server server(Lines{}, Basket{});
  Guest<Server> ann(server);
  Guest<Server> bob(server);
  CHECK(ann.say("Ann\ntea\nmilk\n") == "Ann has 1\nAnn has 2\n");
  CHECK(bob.say("Bob\nrum\n") == "Bob has 1\n");
  CHECK(ann.say("salt\n") == "Ann has 3\n");
}

TEST_CASE("a function object is a handler") {
  using Server = InMemory<Lines, decltype(handlers_page::shout)>;
  Server server(Lines{}, handlers_page::shout);
  Guest<Server> guest(server);
  CHECK(guest.say("hey\n") == "hey!\n");
}

TEST_CASE("a shutdown is told to the handler") {
  using Server = InMemory<Lines, Careful>;
  Server server(Lines{}, Careful{});
  Guest<Server> guest(server);
  server.server.request_shutdown();
  server.settle();
  CHECK(guest.hear() == "the server stops, good bye\n");
  CHECK(guest.was_sent_away());
}

TEST_CASE("hard work is done in other threads") {
  using Server = InMemory<Lines, Worker>;
  asio::thread_pool pool(1);
  Server server(Lines{}, Worker{pool});
  Guest<Server> guest(server);
  std::string heard = guest.say("it\n");
  pool.join();
  heard += guest.hear();
  CHECK(heard == "it took long\n");
}

TEST_CASE("a handler awaits tasks and operations") {
  asio::io_context io;
  cowire::MemoryListener door(io.get_executor());
  cowire::Server server(io.get_executor(), Lines{}, LookUp{});
  server.add_listener(door);
  asio::co_spawn(io, server.serve_forever(), asio::detached);
  auto end = door.connect();
  const std::string question = "x\n";
  std::string answer(100, '\0');
  asio::async_write(end, asio::buffer(question), [](std::error_code, std::size_t) {});
  end.async_read_some(asio::buffer(answer), [&](std::error_code, std::size_t n) {
    answer.resize(n);
    io.stop();
  });
  io.run_for(10s);
  CHECK(answer == "the entry of x\n");
}

TEST_CASE("what one says, the others hear") {
  using Server = InMemory<Lines, Room>;
  Server server(Lines{}, Room{});
  Guest<Server> ann(server);
  Guest<Server> bob(server);
  CHECK(ann.hear() == "somebody came in\n");
  CHECK(ann.say("hi\n").empty());
  CHECK(bob.hear() == "hi\n");
  bob.leave();
  CHECK(ann.hear() == "somebody left\n");
}

TEST_CASE("a log function adds the peer") {
  asio::io_context io;
  cowire::MemoryListener door(io.get_executor());
  cowire::Server server(io.get_executor(), Lines{}, Shop{});
  server.add_listener(door);
  asio::co_spawn(io, server.serve_forever(), asio::detached);
  auto end = door.connect();
  const std::string question = "Ann\ntea\n";
  std::string answer(100, '\0');
  asio::async_write(end, asio::buffer(question), [](std::error_code, std::size_t) {});
  end.async_read_some(asio::buffer(answer), [&](std::error_code, std::size_t n) {
    answer.resize(n);
    handlers_page::log("answered");
    io.stop();
  });
  io.run_for(10s);
  CHECK(answer == "3\n");
  CHECK(log_text == "[1 memory-a Ann] counted tea\nanswered\n");
}

TEST_CASE("the peer leaves: the generator is destroyed, then on_disconnection runs") {
  Notes notes;
  NotedServer server(Lines{}, Noted{&notes}, noting(notes));
  Guest<NotedServer> guest(server);
  guest.leave();
  CHECK(notes == Notes{"destroyed", "bye"});
}

TEST_CASE("a packet that the peer cut by leaving") {
  Notes notes;
  NotedServer server(Lines{}, Noted{&notes}, noting(notes));
  Guest<NotedServer> guest(server);
  guest.say("half");
  guest.leave();
  CHECK(notes == Notes{"log debug", "destroyed", "bye"});
}

TEST_CASE("the handler closes: what came already is not handled") {
  Notes notes;
  NotedServer server(Lines{}, Noted{&notes}, noting(notes));
  Guest<NotedServer> guest(server);
  guest.say("close\nmore\n");
  CHECK(notes == Notes{"destroyed", "bye, closing"});
  CHECK(guest.was_sent_away());
}

TEST_CASE("the handler throws: logged, and on_disconnection may still send") {
  Notes notes;
  NotedServer server(Lines{}, Noted{&notes}, noting(notes));
  Guest<NotedServer> guest(server);
  guest.say("throw\n");
  CHECK(notes == Notes{"destroyed", "log error", "bye"});
  CHECK(guest.was_sent_away());
}

TEST_CASE("the handler does not yield: refused") {
  Notes notes;
  Noted refusing{&notes};
  refusing.refuses = true;
  NotedServer server(Lines{}, refusing, noting(notes));
  Guest<NotedServer> guest(server);
  CHECK(notes == Notes{"destroyed", "log debug", "bye, closing"});
  CHECK(guest.was_sent_away());
}

TEST_CASE("on_connection throws: on_disconnection is not called") {
  Notes notes;
  Noted failing{&notes};
  failing.connection = [](Noted::Peer&) { throw std::runtime_error("no"); };
  NotedServer server(Lines{}, failing, noting(notes));
  Guest<NotedServer> guest(server);
  CHECK(notes == Notes{"log error"});
  CHECK(guest.was_sent_away());
}

TEST_CASE("on_connection closes: handle is not called, on_disconnection is") {
  Notes notes;
  Noted closing{&notes};
  closing.connection = [](Noted::Peer& client) { client.close(); };
  NotedServer server(Lines{}, closing, noting(notes));
  Guest<NotedServer> guest(server);
  CHECK(notes == Notes{"bye, closing"});
}

TEST_CASE("the peer is silent, or slow: a warning, then as if it had left") {
  Notes notes;
  NotedServer server(Lines{}, Noted{&notes}, noting(notes));
  Guest<NotedServer> silent(server);
  server.pass(5min);
  CHECK(notes == Notes{"log warning", "destroyed", "bye"});
  CHECK(silent.hear() == "bye\n");
  notes.clear();
  Guest<NotedServer> slow(server);
  slow.say("half");
  server.pass(30s);
  CHECK(notes == Notes{"log warning", "destroyed", "bye"});
}

TEST_CASE("another part of the program closes while the handler waits") {
  Notes notes;
  std::optional<Noted::Peer> kept;
  Noted keeping{&notes};
  keeping.before = [&](Noted::Peer& client) { kept.emplace(client); };
  NotedServer server(Lines{}, keeping, noting(notes));
  Guest<NotedServer> guest(server);
  kept->close();
  server.settle();
  CHECK(notes == Notes{"destroyed", "bye, closing"});
  CHECK_THROWS_AS(kept->send_packet("x"), cowire::Error);
  kept.reset();  // While the io_context exists.
}

TEST_CASE("a peer that does not read loses the connection") {
  Notes notes;
  std::optional<Noted::Peer> kept;
  Noted keeping{&notes};
  keeping.before = [&](Noted::Peer& client) { kept.emplace(client); };
  cowire::ServerOptions options = noting(notes);
  options.limits.output_high = 2000;
  options.limits.output_low = 1000;
  options.limits.output_limit = 100'000;
  NotedServer server(Lines{}, keeping, options);
  Guest<NotedServer> deaf(server);
  const std::string line(49'000, 'x');
  kept->send_packet(line);
  kept->send_packet(line);
  server.settle();
  SUBCASE("in time") {
    server.pass(30s);
    CHECK(notes == Notes{"log warning", "destroyed", "bye", "cannot send"});
  }
  SUBCASE("in memory") {
    kept->send_packet(line);
    kept->send_packet(line);
    CHECK_THROWS_AS(kept->send_packet(line), cowire::Error);
    server.settle();
    CHECK(notes == Notes{"log warning", "destroyed", "bye", "cannot send"});
  }
  kept.reset();
}
