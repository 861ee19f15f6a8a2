#include "sim/cpu/gdb_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace heddle::sim {
namespace {

constexpr size_t kPacketBytes = 16384;   // of a packet from the debugger, at most
constexpr uint32_t kMemoryBytes = 4096;  // of one answer
constexpr uint64_t kSlice = 2'000'000;   // instructions between two looks for Ctrl-C
constexpr char kCtrlC = '\x03';
constexpr int kPc = 32;  // registers are x0 .. x31, pc
enum Signal { kSigInt = 2, kSigIll = 4, kSigTrap = 5, kSigBus = 10 };

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// --- packets: "$text#checksum", acknowledged with '+' until the debugger wants that no more ---

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}

  // The next packet's text, or "\x03"; nullopt: the debugger is gone or sends nonsense.
  std::optional<std::string> receive() {
    for (;;) {
      const std::optional<char> start = byte();
      if (!start) return std::nullopt;
      if (*start == kCtrlC) return std::string(1, kCtrlC);
      if (*start != '$') continue;  // acknowledgements
      std::string text;
      uint8_t sum = 0;
      for (;;) {
        const std::optional<char> c = byte();
        if (!c || text.size() > kPacketBytes) return std::nullopt;
        if (*c == '#') break;
        sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(*c));
        text += *c;
      }
      const std::optional<char> high = byte(), low = byte();
      if (!high || !low) return std::nullopt;
      const bool good = fmt::format("{:02x}", sum) == std::string{*high, *low};
      if (acknowledge_ && !write(good ? "+" : "-")) return std::nullopt;
      if (good) return text;
    }
  }

  bool send(const std::string& text) {
    uint8_t sum = 0;
    for (const char c : text) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
    return write(fmt::format("${}#{:02x}", text, sum));
  }

  // Whether Ctrl-C has arrived, without waiting; true also when the debugger is gone.
  bool interrupted() {
    while (at_ < buffer_.size() || poll_input()) {
      const std::optional<char> c = byte();
      if (!c || *c == kCtrlC) return true;
    }
    return false;
  }

  void stop_acknowledging() { acknowledge_ = false; }

 private:
  bool poll_input() const {
    pollfd poll_fd{fd_, POLLIN, 0};
    return ::poll(&poll_fd, 1, 0) > 0;
  }
  std::optional<char> byte() {
    if (at_ == buffer_.size()) {
      buffer_.resize(4096);
      at_ = 0;
      ssize_t got;
      do got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
      while (got < 0 && errno == EINTR);
      buffer_.resize(got > 0 ? static_cast<size_t>(got) : 0);
      if (got <= 0) return std::nullopt;
    }
    return buffer_[at_++];
  }
  bool write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  int fd_;
  std::string buffer_;
  size_t at_ = 0;
  bool acknowledge_ = true;
};

// --- numbers in hexadecimal ---

// Takes a number from the front; nullopt: there is none, or more than 32 bits.
std::optional<uint32_t> take_hex(std::string_view& text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}
bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}
std::optional<std::string> bytes_of_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    std::string_view pair = hex.substr(i, 2);
    const std::optional<uint32_t> value = take_hex(pair);
    if (!value || !pair.empty()) return std::nullopt;
    bytes += static_cast<char>(*value);
  }
  return bytes;
}
std::string hex_of_word(uint32_t value) { return fmt::format("{:08x}", __builtin_bswap32(value)); }
std::optional<uint32_t> word_of_hex(std::string_view hex) {
  const std::optional<std::string> bytes = bytes_of_hex(hex);
  if (!bytes || bytes->size() != 4) return std::nullopt;
  uint32_t value;
  std::memcpy(&value, bytes->data(), 4);
  return value;
}

std::string target_xml() {
  std::string xml =
      "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
      "<architecture>riscv:rv32</architecture><feature name=\"org.gnu.gdb.riscv.cpu\">";
  for (int i = 0; i < kPc; ++i)
    xml += fmt::format("<reg name=\"x{}\" bitsize=\"32\" type=\"int\"/>", i);
  return xml + "<reg name=\"pc\" bitsize=\"32\" type=\"code_ptr\"/></feature></target>";
}

// --- the session ---

class Session {
 public:
  Session(Cpu& cpu, Bus& bus, const GdbRun& run, int fd)
      : cpu_(cpu), bus_(bus), run_(run), connection_(fd) {}

  GdbEnd serve() {
    cpu_.set_ebreak_stops(true);
    while (!end_) {
      const std::optional<std::string> packet = connection_.receive();
      if (!packet) {
        end_ = GdbEnd::killed;
      } else if (const std::optional<std::string> reply = answer(*packet)) {
        if (!connection_.send(*reply)) end_ = GdbEnd::killed;
      }
    }
    for (const uint32_t address : breakpoints_) cpu_.remove_breakpoint(address);
    cpu_.set_ebreak_stops(false);
    return *end_;
  }

 private:
  // The reply to a packet; "" for what is not supported, as the protocol wants it; nullopt: none.
  std::optional<std::string> answer(std::string_view packet) {
    if (packet.empty()) return "";
    if (packet[0] == kCtrlC) return stopped_;  // it came too late
    std::string_view rest = packet.substr(1);
    switch (packet[0]) {
      case '?':
        return stopped_;
      case 'g':
        return all_registers();
      case 'G':
        return set_all_registers(rest);
      case 'p':
        return one_register(rest);
      case 'P':
        return set_one_register(rest);
      case 'm':
        return memory(rest);
      case 'M':
        return set_memory(rest);
      case 'c':
        return resume(rest, Cpu::kForever);
      case 's':
        return resume(rest, 1);
      case 'Z':
        return breakpoint(rest, true);
      case 'z':
        return breakpoint(rest, false);
      case 'H':
        return "OK";  // there is one thread
      case 'k':
        end_ = GdbEnd::killed;
        return std::nullopt;
      case 'D':
        end_ = GdbEnd::detached;
        return "OK";
      case 'q':
        return query(rest);
      case 'Q':
        if (rest != "StartNoAckMode") return "";
        connection_.stop_acknowledging();
        return "OK";
      default:
        return "";
    }
  }

  std::optional<std::string> query(std::string_view what) {
    if (what.starts_with("Supported"))
      return fmt::format("PacketSize={:x};qXfer:features:read+;QStartNoAckMode+", kPacketBytes);
    if (what == "Attached") return "1";
    if (what == "C") return "QC1";
    if (what == "fThreadInfo") return "m1";
    if (what == "sThreadInfo") return "l";
    constexpr std::string_view kDescription = "Xfer:features:read:target.xml:";
    if (!what.starts_with(kDescription)) return "";
    what.remove_prefix(kDescription.size());
    const std::optional<uint32_t> offset = take_hex(what);
    const bool comma = take(what, ',');
    const std::optional<uint32_t> length = take_hex(what);
    static const std::string xml = target_xml();
    if (!offset || !comma || !length || *offset > xml.size()) return "E01";
    const bool last = xml.size() - *offset <= *length;
    return (last ? "l" : "m") + xml.substr(*offset, *length);
  }

  uint32_t get(int reg) const { return reg == kPc ? cpu_.pc() : cpu_.reg(reg); }
  void set(int reg, uint32_t value) {
    if (reg != kPc)
      cpu_.set_reg(reg, value);
    else if (value != cpu_.pc())
      cpu_.set_pc(value);
  }

  std::string all_registers() const {
    std::string reply;
    for (int i = 0; i <= kPc; ++i) reply += hex_of_word(get(i));
    return reply;
  }
  std::string set_all_registers(std::string_view values) {
    if (values.size() != 8 * (kPc + 1) || !bytes_of_hex(values)) return "E01";
    for (int i = 0; i <= kPc; ++i)
      set(i, *word_of_hex(values.substr(8 * static_cast<size_t>(i), 8)));
    return "OK";
  }
  std::string one_register(std::string_view number) const {
    const std::optional<uint32_t> reg = take_hex(number);
    return reg && *reg <= kPc ? hex_of_word(get(static_cast<int>(*reg))) : "E01";
  }
  std::string set_one_register(std::string_view assignment) {
    const std::optional<uint32_t> reg = take_hex(assignment);
    if (!reg || *reg > kPc || !take(assignment, '=')) return "E01";
    const std::optional<uint32_t> value = word_of_hex(assignment);
    if (!value) return "E01";
    set(static_cast<int>(*reg), *value);
    return "OK";
  }

  std::string memory(std::string_view range) const {
    const std::optional<uint32_t> address = take_hex(range);
    const bool comma = take(range, ',');
    const std::optional<uint32_t> bytes = take_hex(range);
    if (!address || !comma || !bytes) return "E01";
    std::string reply;
    for (uint32_t i = 0; i < std::min(*bytes, kMemoryBytes); ++i) {
      uint8_t byte;
      if (!bus_.read(*address + i, &byte, 1)) break;
      reply += fmt::format("{:02x}", byte);
    }
    return reply.empty() && *bytes != 0 ? "E0e" : reply;
  }
  std::string set_memory(std::string_view range) {
    const std::optional<uint32_t> address = take_hex(range);
    const bool comma = take(range, ',');
    const std::optional<uint32_t> bytes = take_hex(range);
    if (!address || !comma || !bytes || !take(range, ':')) return "E01";
    const std::optional<std::string> content = bytes_of_hex(range);
    if (!content || content->size() != *bytes) return "E01";
    return bus_.write(*address, content->data(), content->size()) ? "OK" : "E0e";
  }

  std::string breakpoint(std::string_view what, bool insert) {
    const char type = what.empty() ? '?' : what[0];
    if (type != '0' && type != '1') return "";  // watchpoints: GDB steps instead
    what.remove_prefix(1);
    if (!take(what, ',')) return "E01";
    const std::optional<uint32_t> address = take_hex(what);
    if (!address) return "E01";
    if (insert) {
      cpu_.add_breakpoint(*address);
      breakpoints_.insert(*address);
    } else {
      cpu_.remove_breakpoint(*address);
      breakpoints_.erase(*address);
    }
    return "OK";
  }

  std::string resume(std::string_view address, uint64_t instructions) {
    if (const std::optional<uint32_t> at = take_hex(address)) set(kPc, *at);
    for (;;) {
      const GdbProgress progress = run_(std::min(instructions, kSlice));
      if (progress.finished) {
        end_ = GdbEnd::finished;
        return stopped_ = fmt::format("W{:02x}", progress.exit_status & 0xff);
      }
      if (progress.reason != StopReason::instructions)
        return stopped_ = stop_reply(progress.reason);
      if (instructions == 1) return stopped_ = fmt::format("S{:02x}", +kSigTrap);
      if (connection_.interrupted()) return stopped_ = fmt::format("S{:02x}", +kSigInt);
    }
  }

  std::string stop_reply(StopReason reason) const {
    int signal = kSigTrap;
    if (reason == StopReason::trap) signal = cpu_.trap().cause == 2 ? kSigIll : kSigBus;
    if (reason == StopReason::watch) signal = kSigBus;
    return fmt::format("S{:02x}", signal);
  }

  Cpu& cpu_;
  Bus& bus_;
  const GdbRun& run_;
  Connection connection_;
  std::set<uint32_t> breakpoints_;
  std::string stopped_ = fmt::format("S{:02x}", +kSigTrap);
  std::optional<GdbEnd> end_;
};

Diagnostic failed(uint16_t port, const char* what) {
  return error_at(
      {}, fmt::format("port {} of 127.0.0.1 cannot be {}: {}", port, what, std::strerror(errno)),
      "choose another port for --gdb");
}

}  // namespace

Result<GdbEnd> serve_gdb(Cpu& cpu, Bus& bus, uint16_t port, const GdbRun& run,
                         const std::function<void(uint16_t)>& listening) {
  const Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (listener.fd() < 0 ||
      ::bind(listener.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener.fd(), 1) != 0 ||
      ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return failed(port, "opened");
  if (listening) listening(ntohs(address.sin_port));
  int fd;
  do fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  const Socket connection(fd);
  if (fd < 0) return failed(port, "served");
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return Session(cpu, bus, run, fd).serve();
}

}  // namespace heddle::sim
