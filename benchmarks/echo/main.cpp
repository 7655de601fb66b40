// SPDX-License-Identifier: BSL-1.0
#include "asio_server.hpp"
#include "count.hpp"
#include "cowire_server.hpp"
#include "epoll_server.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "report.hpp"
#include "system.hpp"

#include <asio/version.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace cowire::benchmark;

// ---- The servers: one line each. The first one is the reference of all ratios. ------------------
constexpr auto servers = std::to_array<ServerEntry>({
    {"epoll", "raw epoll", serve_epoll},
    {"asio", "Asio naive coroutine", serve_asio},
    {"loop-view", "cowire loop, view", serve_cowire<LoopingEcho, std::string_view>},
    {"loop-string", "cowire loop, string", serve_cowire<LoopingEcho, std::string>},
    {"return-view", "cowire return, view", serve_cowire<ReturningEcho, std::string_view>},
    {"return-string", "cowire return, string", serve_cowire<ReturningEcho, std::string>},
});
// -------------------------------------------------------------------------------------------------

constexpr auto scenarios = std::to_array<Scenario>({
    {"S1", "1 connection x 1 request in flight", ScenarioKind::pipelined, 1, 1},
    {"S2", "64 connections x 1 request in flight", ScenarioKind::pipelined, 64, 1},
    {"S3", "8 connections x 128 requests in flight", ScenarioKind::pipelined, 8, 128},
    {"S7", "connect, one echo, close; 32 workers", ScenarioKind::connecting, 32, 1},
    {"S6", "idle connections that have echoed once", ScenarioKind::idle, 0, 1},
});

template <class Entries>
std::vector<std::string_view> keys_of(const Entries& entries) {
  std::vector<std::string_view> keys;
  for (const auto& entry : entries) keys.push_back(entry.key);
  return keys;
}

template <class Entry>
bool selected(const Entry& entry, const std::vector<std::string>& keys) {
  return keys.empty() || std::find(keys.begin(), keys.end(), entry.key) != keys.end();
}

std::vector<ServerEntry> selected_servers(const Options& options) {
  std::vector<ServerEntry> chosen(servers.begin(), servers.begin() + 1);
  std::copy_if(servers.begin() + 1, servers.end(), std::back_inserter(chosen),
               [&](const ServerEntry& server) { return selected(server, options.servers); });
  return chosen;
}

/// The rounds of one server in one scenario.
struct Rounds {
  std::vector<double> rates;
  std::vector<double> rate_ratios;
  std::vector<double> cpu_ratios;
};

/// Times all servers in turn, round by round, so that a slow moment of the machine hits them all.
std::vector<Rounds> time_in_rounds(Laboratory& laboratory, const Scenario& scenario,
                                   const std::vector<ServerEntry>& chosen, int rounds) {
  std::vector<Rounds> results(chosen.size());
  for (int round = 0; round < rounds; ++round) {
    Timing reference;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const Timing timing = laboratory.time(chosen[i], scenario);
      if (i == 0) reference = timing;
      results[i].rates.push_back(timing.requests_per_second);
      results[i].rate_ratios.push_back(timing.requests_per_second / reference.requests_per_second);
      results[i].cpu_ratios.push_back(timing.cpu_seconds_per_request /
                                      reference.cpu_seconds_per_request);
    }
  }
  return results;
}

/// Counts system calls until the system refuses once.
class SystemCalls {
 public:
  struct Text {
    std::string total = "-";
    std::string details;
  };

  Text count(Laboratory& laboratory, const ServerEntry& server, const Scenario& scenario) {
    if (!allowed_) return {};
    try {
      const auto calls = laboratory.system_calls_per_request(server, scenario);
      const double total = std::accumulate(calls.begin(), calls.end(), 0.0);
      return {format_number(total), describe_system_calls(calls)};
    } catch (const TracingRefused& refusal) {
      allowed_ = false;
      std::printf("System calls are not counted: %s.\n", refusal.what());
      return {};
    }
  }

 private:
  bool allowed_ = true;
};

void run_requests_scenario(Laboratory& laboratory, const Scenario& scenario,
                           const std::vector<ServerEntry>& chosen, int rounds,
                           SystemCalls& system_calls) {
  const auto results = time_in_rounds(laboratory, scenario, chosen, rounds);
  Table table({"server", "scenario", "requests/s", "ratio", "CPU ratio", "allocs/request",
               "syscalls/request"});
  std::string details;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const double allocations = laboratory.allocations_per_request(chosen[i], scenario);
    const SystemCalls::Text calls = system_calls.count(laboratory, chosen[i], scenario);
    table.add(
        {std::string(chosen[i].name), std::string(scenario.key),
         format_number(median(results[i].rates)), format_number(median(results[i].rate_ratios)),
         format_number(median(results[i].cpu_ratios)), format_number(allocations), calls.total});
    if (calls.details.empty()) continue;
    details += "  " + std::string(chosen[i].name) + ": " + calls.details + "\n";
  }
  table.print();
  if (!details.empty()) std::printf("System calls per request:\n%s", details.c_str());
}

void run_idle_scenario(Laboratory& laboratory, const Scenario& scenario,
                       const std::vector<ServerEntry>& chosen, std::size_t connections) {
  Table table({"server", "scenario", "connections", "bytes of RSS/connection"});
  for (const ServerEntry& server : chosen) {
    const double bytes = laboratory.resident_bytes_per_connection(server, connections);
    table.add({std::string(server.name), std::string(scenario.key), std::to_string(connections),
               std::to_string(static_cast<long>(bytes))});
  }
  table.print();
}

/// Each connection needs a descriptor here and one in the server; some are left for other things.
std::size_t cap_connections(std::size_t wanted) {
  constexpr std::size_t reserve = 64;
  const std::size_t limit = raise_open_file_limit();
  const std::size_t possible = limit > reserve ? limit - reserve : 1;
  if (wanted <= possible) return wanted;
  std::printf("Only %zu of %zu idle connections: the limit of open files is %zu.\n", possible,
              wanted, limit);
  return possible;
}

void run_all(const Options& options) {
  const Processors processors = Processors::choose();
  pin_to(processors.generator);
  std::printf("Asio %d.%d.%d, %d x %s s for each server, server and load on %s.\n",
              ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100, options.rounds,
              format_number(options.seconds).c_str(),
              processors.pinned() ? "a processor each" : "one processor: expect poor numbers");
#ifndef __OPTIMIZE__
  std::puts("Built without optimization: the times mean nothing.");
#endif
  if (!counts_malloc) std::puts("Of the allocations, only those by operator new are counted.");
  const std::size_t connections = cap_connections(options.connections);
  const std::vector<ServerEntry> chosen = selected_servers(options);
  Laboratory laboratory(options, processors);
  SystemCalls system_calls;
  for (const Scenario& scenario : scenarios) {
    if (!selected(scenario, options.scenarios)) continue;
    std::printf("\n%s: %s\n", std::string(scenario.key).c_str(),
                std::string(scenario.title).c_str());
    std::fflush(stdout);
    if (scenario.kind == ScenarioKind::idle) {
      run_idle_scenario(laboratory, scenario, chosen, connections);
    } else {
      run_requests_scenario(laboratory, scenario, chosen, options.rounds, system_calls);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::span<const char* const> arguments(argv + 1, static_cast<std::size_t>(argc - 1));
    const Options options = parse_options(arguments, keys_of(scenarios), keys_of(servers));
    if (options.help) {
      std::fputs(std::string(usage).c_str(), stdout);
      return EXIT_SUCCESS;
    }
    run_all(options);
    return EXIT_SUCCESS;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "echo_benchmark: %s\n\n%s", error.what(), std::string(usage).c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_benchmark: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
