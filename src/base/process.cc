#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/text.h"

namespace heddle {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;
  ~Pipe() {
    close_read();
    close_write();
  }
  bool open() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) return false;
    read = fds[0];
    write = fds[1];
    return true;
  }
  void close_read() {
    if (read >= 0) ::close(read);
    read = -1;
  }
  void close_write() {
    if (write >= 0) ::close(write);
    write = -1;
  }
};

// What went wrong between fork() and exec(), sent through a pipe that a successful exec() closes.
struct StartFailure {
  enum Stage : int { none, folder, limits, program } stage = none;
  int error = 0;
};

bool set_limit(int resource, int64_t soft, int64_t hard) {
  struct rlimit limit {};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return false;
  // A limit that the caller already runs under stays.
  const auto lowest = [&](int64_t wanted) {
    return limit.rlim_max == RLIM_INFINITY ? static_cast<rlim_t>(wanted)
                                           : std::min(static_cast<rlim_t>(wanted), limit.rlim_max);
  };
  const struct rlimit lower { lowest(soft), lowest(hard) };
  return ::setrlimit(static_cast<__rlimit_resource>(resource), &lower) == 0;
}

// In the child: only calls that are safe after fork().
[[noreturn]] void start_child(char* const* argv, const char* folder, const ProcessLimits& limits,
                              int out, int err, int failure) {
  const auto fail = [&](StartFailure::Stage stage) {
    const StartFailure report{stage, errno};
    [[maybe_unused]] const ssize_t ignored = ::write(failure, &report, sizeof report);
    ::_exit(127);
  };
  ::setpgid(0, 0);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  if (::dup2(out, STDOUT_FILENO) < 0 || ::dup2(err, STDERR_FILENO) < 0) fail(StartFailure::limits);
  if (::chdir(folder) != 0) fail(StartFailure::folder);
  if (!set_limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1) ||
      !set_limit(RLIMIT_CORE, 0, 0)) {
    fail(StartFailure::limits);
  }
  if (limits.memory_bytes > 0 && !set_limit(RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)) {
    fail(StartFailure::limits);
  }
  ::signal(SIGPIPE, SIG_DFL);
  ::execvp(argv[0], argv);
  fail(StartFailure::program);
  ::_exit(127);
}

// Takes what is there without waiting. False: nothing will ever come.
bool drain(int fd, std::string& text, int64_t& room) {
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    const int64_t kept = std::min<int64_t>(count, room);
    text.append(buffer.data(), static_cast<size_t>(kept));
    room -= count;
    if (room < 0) return true;
  }
}

// Reads both pipes until the child is gone; ends it when a limit is passed. Neither pipe can block
// the other.
void watch(pid_t child, Pipe& out, Pipe& err, const ProcessLimits& limits,
           ProcessOutcome& outcome) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const Clock::time_point deadline = start + std::chrono::seconds(limits.wall_seconds);
  int64_t room = limits.output_bytes;
  for (bool running = true; running;) {
    std::array<pollfd, 2> fds = {
        {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}}};  // -1 is skipped by poll()
    const bool open = out.read >= 0 || err.read >= 0;
    ::poll(fds.data(), fds.size(), open ? 50 : 1);

    // Ask first, read then: what the child wrote before it ended is in the pipes now. WNOWAIT keeps
    // its pid (and so its group) from being given to somebody else before the kill() below.
    siginfo_t info{};
    running =
        !(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == child);
    if (out.read >= 0 && !drain(out.read, outcome.out, room)) out.close_read();
    if (err.read >= 0 && !drain(err.read, outcome.err, room)) err.close_read();
    if (!running) break;
    if (room < 0) {
      outcome.ended_because =
          fmt::format("more than {} bytes of output", thousands(limits.output_bytes));
    } else if (Clock::now() > deadline) {
      outcome.ended_because = fmt::format("more than {} s of time", limits.wall_seconds);
    }
    if (!outcome.ended_because.empty()) break;
  }
  outcome.wall_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ::kill(-child, SIGKILL);  // and whatever it has started
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) {
    outcome.exit_status = WEXITSTATUS(status);
  } else {
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  if (outcome.ended_because.empty() && outcome.signal == SIGXCPU) {
    outcome.ended_because = fmt::format("more than {} s of CPU time", limits.cpu_seconds);
  }
}

Diagnostic failed(std::string message, std::string remedy = "") {
  return error_at({}, std::move(message), std::move(remedy));
}

}  // namespace

Result<ProcessOutcome> run_process(const std::vector<std::string>& argv,
                                   const std::filesystem::path& working_folder,
                                   const ProcessLimits& limits) {
  HEDDLE_CHECK(!argv.empty() && !argv[0].empty(), "a process needs a program");
  const std::string program = terminal_text(argv[0]);
  // All memory is taken before fork().
  std::vector<std::string> arguments = argv;
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const std::string folder = working_folder.empty() ? "." : working_folder.string();

  Pipe out, err, failure;
  if (!out.open() || !err.open() || !failure.open()) {
    return failed(fmt::format("cannot start `{}`: {}", program, std::strerror(errno)));
  }
  const pid_t child = ::fork();
  if (child < 0) return failed(fmt::format("cannot start `{}`: {}", program, std::strerror(errno)));
  if (child == 0)
    start_child(pointers.data(), folder.c_str(), limits, out.write, err.write, failure.write);
  ::setpgid(child, child);  // in both processes: whoever comes first
  out.close_write();
  err.close_write();
  failure.close_write();

  StartFailure report;
  ssize_t count = 0;
  while ((count = ::read(failure.read, &report, sizeof report)) < 0 && errno == EINTR) {
  }
  if (count == static_cast<ssize_t>(sizeof report)) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    const char* reason = std::strerror(report.error);
    if (report.stage == StartFailure::folder) {
      return failed(fmt::format("cannot run `{}` in the folder `{}`: {}", program,
                                terminal_text(folder), reason));
    }
    if (report.stage == StartFailure::program && report.error == ENOENT) {
      return failed(fmt::format("the program `{}` is missing", program),
                    "install it, or put its folder in PATH");
    }
    return failed(fmt::format("cannot start `{}`: {}", program, reason));
  }
  ::fcntl(out.read, F_SETFL, O_NONBLOCK);
  ::fcntl(err.read, F_SETFL, O_NONBLOCK);
  ProcessOutcome outcome;
  watch(child, out, err, limits, outcome);
  return outcome;
}

}  // namespace heddle
