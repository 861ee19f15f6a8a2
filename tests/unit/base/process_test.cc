#include "base/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "base/files.h"

namespace heddle {
namespace {

using testing::HasSubstr;

ProcessOutcome shell(const std::string& script, const ProcessLimits& limits = {}) {
  return run_process({"sh", "-c", script}, "/tmp", limits).value();
}

TEST(Process, GivesStatusAndBothOutputs) {
  const ProcessOutcome outcome = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(outcome.exit_status, 3);
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
  EXPECT_EQ(outcome.ended_because, "");
}

TEST(Process, PassesArgumentsAsTheyAre) {
  EXPECT_EQ(run_process({"printf", "%s|", "$(id)", "a b", "", "*"}, "/tmp")->out, "$(id)|a b||*|");
}

TEST(Process, RunsInItsFolderWithAnEmptyInput) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_process({"pwd", "-P"}, folder.path())->out,
            std::filesystem::canonical(folder.path()).string() + "\n");
  EXPECT_EQ(shell("cat; echo done").out, "done\n");
}

TEST(Process, SaysWhatIsMissing) {
  const auto program = run_process({"heddle-no-such-program"}, "/tmp");
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.errors()[0].message, "the program `heddle-no-such-program` is missing");
  EXPECT_EQ(program.errors()[0].remedy, "install it, or put its folder in PATH");
  const auto folder = run_process({"true"}, "/no/such/folder");
  ASSERT_FALSE(folder.ok());
  EXPECT_THAT(folder.errors()[0].message, HasSubstr("in the folder `/no/such/folder`"));
  const auto denied = run_process({"/etc/passwd"}, "/tmp");
  ASSERT_FALSE(denied.ok());
  EXPECT_THAT(denied.errors()[0].message, HasSubstr("cannot start `/etc/passwd`"));
}

TEST(Process, MuchOutputOnBothPipesDoesNotBlock) {
  const ProcessOutcome outcome =
      shell("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; head -c 10 /dev/zero >&2");
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_EQ(outcome.out.size(), 3000000u);
  EXPECT_EQ(outcome.err.size(), 3000010u);
}

TEST(Process, LimitsEndTheChild) {
  ProcessLimits output;
  output.output_bytes = 100000;
  ProcessOutcome outcome = shell("cat /dev/zero", output);
  EXPECT_EQ(outcome.exit_status, -1);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_EQ(outcome.ended_because, "more than 100,000 bytes of output");
  EXPECT_EQ(outcome.out.size(), 100000u);

  ProcessLimits cpu;
  cpu.cpu_seconds = 1;
  outcome = shell("while :; do :; done", cpu);
  EXPECT_EQ(outcome.signal, SIGXCPU);
  EXPECT_EQ(outcome.ended_because, "more than 1 s of CPU time");

  ProcessLimits wall;
  wall.wall_seconds = 0;
  outcome = shell("sleep 100", wall);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_EQ(outcome.ended_because, "more than 0 s of time");

  ProcessLimits memory;
  memory.memory_bytes = 256 << 20;
  EXPECT_NE(shell("head -c 1 /dev/zero | sort -S 1G --parallel=1 >/dev/null; "
                  "awk 'BEGIN { s = \"x\"; while (length(s) < 2^30) s = s s }'",
                  memory)
                .exit_status,
            0);
}

TEST(Process, SignalsAreSeen) {
  const ProcessOutcome outcome = shell("kill -SEGV $$");
  EXPECT_EQ(outcome.exit_status, -1);
  EXPECT_EQ(outcome.signal, SIGSEGV);
}

// A grandchild that keeps the pipes open neither blocks us nor survives.
TEST(Process, TheWholeGroupEnds) {
  const auto start = std::chrono::steady_clock::now();
  const ProcessOutcome outcome = shell("sleep 100 & echo $!");
  EXPECT_EQ(outcome.exit_status, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  const pid_t grandchild = std::stoi(outcome.out);
  bool gone = false;
  for (int i = 0; i < 500 && !gone; ++i) {
    // An orphan that has ended may wait as a zombie for init.
    const auto status = read_file("/proc/" + std::to_string(grandchild) + "/status");
    gone = !status.ok() || status->find("State:\tZ") != std::string::npos || status->empty();
    if (!gone) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace heddle
