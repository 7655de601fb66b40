// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "count.hpp"
#include "load.hpp"
#include "load_generator.hpp"
#include "options.hpp"
#include "process.hpp"
#include "system.hpp"

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire::benchmark {

/// One server under test.
struct ServerEntry {
  /// What `--server` calls it.
  std::string_view key;
  /// What the tables call it.
  std::string_view name;
  ServeFunction serve;
};

enum class ScenarioKind { pipelined, connecting, idle };

/// One way to load a server. `connections` of the idle scenario comes from the options.
struct Scenario {
  std::string_view key;
  std::string_view title;
  ScenarioKind kind;
  std::size_t connections;
  std::size_t depth;
};

/// The figures of one timed run.
struct Timing {
  double requests_per_second = 0;
  double cpu_seconds_per_request = 0;
};

/// Runs servers and loads; each measurement starts a server process of its own.
class Laboratory {
 public:
  Laboratory(const Options& options, Processors processors)
      : options_(options), processors_(processors) {}

  /// Warms a server up and times it.
  Timing time(const ServerEntry& server, const Scenario& scenario) {
    Timing timing;
    with_server(server, Counting::nothing, [&](ServerProcess& process) {
      const auto load = make_load(scenario, process.port());
      load->run_for(std::chrono::duration<double>(options_.seconds / 5));
      const double cpu_before = process.cpu_seconds();
      const auto begin = Clock::now();
      const std::uint64_t requests = load->run_for(std::chrono::duration<double>(options_.seconds));
      const std::chrono::duration<double> elapsed = Clock::now() - begin;
      const double cpu = process.cpu_seconds() - cpu_before;
      load->run_requests(0);
      if (requests == 0) throw Failure("no request was answered in the timed run");
      timing.requests_per_second = static_cast<double>(requests) / elapsed.count();
      timing.cpu_seconds_per_request = cpu / static_cast<double>(requests);
    });
    return timing;
  }

  /// Heap allocations of the server for each request in steady state.
  double allocations_per_request(const ServerEntry& server, const Scenario& scenario) {
    double result = 0;
    with_server(server, Counting::allocations, [&](ServerProcess& process) {
      const auto load = steady_load(scenario, process);
      const std::uint64_t before = counters_->allocations;
      load->run_requests(options_.counted_requests);
      process.wait_until_asleep();
      result = per_request(counters_->allocations - before);
    });
    return result;
  }

  /// System calls of the server for each request in steady state, by number.
  /// @throws TracingRefused if system calls cannot be counted here.
  std::vector<double> system_calls_per_request(const ServerEntry& server,
                                               const Scenario& scenario) {
    std::vector<double> result;
    with_server(server, Counting::system_calls, [&](ServerProcess& process) {
      const auto load = steady_load(scenario, process);
      const auto before = counters_->system_call_snapshot();
      load->run_requests(options_.counted_requests);
      process.wait_until_asleep();
      const auto after = counters_->system_call_snapshot();
      for (std::size_t i = 0; i < after.size(); ++i) {
        result.push_back(per_request(after[i] - before[i]));
      }
    });
    return result;
  }

  /// Bytes by which the server's resident memory grows for each connection that has echoed once
  /// and is idle. All connections must still work afterwards.
  double resident_bytes_per_connection(const ServerEntry& server, std::size_t connections) {
    double result = 0;
    with_server(server, Counting::nothing, [&](ServerProcess& process) {
      // The code and the first blocks of the heap are not the price of a connection.
      PipelinedLoad(process.port(), 2, 1).run_requests(100);
      process.wait_until_asleep();
      const auto before = static_cast<double>(process.resident_bytes());
      PipelinedLoad load(process.port(), connections, 1);
      load.run_requests(connections);
      ::poll(nullptr, 0, static_cast<int>(options_.idle_seconds * 1000));
      process.wait_until_asleep();
      const auto after = static_cast<double>(process.resident_bytes());
      load.run_requests(connections);
      result = (after - before) / static_cast<double>(connections);
    });
    return result;
  }

 private:
  template <class Use>
  void with_server(const ServerEntry& server, Counting counting, const Use& use) {
    try {
      ServerProcess process(server.serve, processors_.server, counting, *counters_);
      try {
        use(process);
      } catch (const std::exception& error) {
        const std::string death = process.death();
        if (death.empty()) throw;
        throw Failure(std::string(error.what()) + "; " + death);
      }
      process.stop();
    } catch (const TracingRefused&) {
      throw;
    } catch (const std::exception& error) {
      throw Failure(std::string(server.name) + ": " + error.what());
    }
  }

  std::unique_ptr<Load> steady_load(const Scenario& scenario, const ServerProcess& process) const {
    auto load = make_load(scenario, process.port());
    load->run_requests(options_.counted_requests / 2);
    process.wait_until_asleep();
    return load;
  }

  static std::unique_ptr<Load> make_load(const Scenario& scenario, std::uint16_t port) {
    if (scenario.kind == ScenarioKind::connecting) {
      return std::make_unique<ConnectingLoad>(port, scenario.connections);
    }
    return std::make_unique<PipelinedLoad>(port, scenario.connections, scenario.depth);
  }

  [[nodiscard]] double per_request(std::uint64_t count) const {
    return static_cast<double>(count) / static_cast<double>(options_.counted_requests);
  }

  const Options& options_;
  Processors processors_;
  SharedCounters counters_;
};

}  // namespace cowire::benchmark
