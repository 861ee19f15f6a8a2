// The GDB server, spoken to by a small debugger.
#include "sim/cpu/gdb_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;
using testing::HasSubstr;
using testing::StartsWith;

// A server in a thread, and the debugger's end of the connection.
class Debugger {
 public:
  explicit Debugger(Core& core) : core_(core) {
    std::promise<uint16_t> port;
    std::future<uint16_t> opened = port.get_future();
    server_ = std::thread([this, &port] {
      const GdbRun run = [this](uint64_t instructions) {
        const StopReason reason = core_->run(Cpu::kForever, instructions);
        return GdbProgress{reason, reason == StopReason::device, 3};
      };
      const Result<GdbEnd> end =
          serve_gdb(*core_, core_.bus, 0, run, [&](uint16_t p) { port.set_value(p); });
      if (end.ok()) end_ = *end;
    });
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(opened.get());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Debugger() { leave(); }

  // How the session ended, after the connection is closed from here.
  std::optional<GdbEnd> leave() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    if (server_.joinable()) server_.join();
    return end_;
  }

  void raw(std::string_view bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void packet(std::string_view text) {
    uint8_t sum = 0;
    for (const char c : text) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
    raw(fmt::format("${}#{:02x}", text, sum));
  }
  char next() {
    char c = '?';
    EXPECT_EQ(::recv(fd_, &c, 1, 0), 1);
    return c;
  }
  // The text of the next packet, which must have the right checksum.
  std::string reply() {
    char c = next();
    while (c == '+') c = next();
    EXPECT_EQ(c, '$');
    std::string text;
    uint8_t sum = 0;
    for (c = next(); c != '#' && text.size() < 20000; c = next()) {
      sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
      text += c;
    }
    std::string expected{next()};
    expected += next();
    EXPECT_EQ(expected, fmt::format("{:02x}", sum));
    raw("+");
    return text;
  }
  std::string ask(std::string_view text) {
    packet(text);
    return reply();
  }

 private:
  Core& core_;
  std::thread server_;
  std::optional<GdbEnd> end_;
  int fd_ = -1;
};

TEST(GdbServer, RegistersAndMemory) {
  Core core;
  core->set_reg(5, 0x12345678);
  core.put(kData, {0x11223344u | 3, 0xaabbccdf});
  Debugger gdb(core);
  EXPECT_THAT(gdb.ask("qSupported:multiprocess+;swbreak+"), HasSubstr("qXfer:features:read+"));
  EXPECT_EQ(gdb.ask("?"), "S05");
  const std::string all = gdb.ask("g");
  EXPECT_EQ(all.size(), 33u * 8);
  EXPECT_EQ(all.substr(5 * 8, 8), "78563412");
  EXPECT_EQ(all.substr(32 * 8), "00000080");
  EXPECT_EQ(gdb.ask("P6=efbeadde"), "OK");
  EXPECT_EQ(core->reg(6), 0xdeadbeefu);
  EXPECT_EQ(gdb.ask("p6"), "efbeadde");
  EXPECT_EQ(gdb.ask("p20"), "00000080");
  EXPECT_EQ(gdb.ask("p21"), "E01");
  std::string other = all;
  other.replace(7 * 8, 8, "01000000");
  EXPECT_EQ(gdb.ask("G" + other), "OK");
  EXPECT_EQ(core->reg(7), 1u);
  EXPECT_EQ(gdb.ask("G00"), "E01");
  EXPECT_EQ(gdb.ask(fmt::format("m{:x},8", kData)), "47332211dfccbbaa");
  EXPECT_EQ(gdb.ask(fmt::format("M{:x},2:0102", kData)), "OK");
  EXPECT_EQ(core.word(kData), 0x11220201u);
  EXPECT_EQ(gdb.ask("m1000,4"), "E0e");
  EXPECT_EQ(gdb.ask(fmt::format("m{:x},4", kRam + 0xfffe)), "0000");  // as far as there is some
  EXPECT_EQ(gdb.ask("M1000,1:00"), "E0e");
  EXPECT_EQ(gdb.ask(fmt::format("M{:x},2:01", kData)), "E01");
  EXPECT_EQ(gdb.ask("mxyz"), "E01");
  EXPECT_EQ(gdb.ask("vCont?"), "");
  EXPECT_EQ(gdb.ask("D"), "OK");
  EXPECT_EQ(gdb.leave(), GdbEnd::detached);
}

TEST(GdbServer, DescribesTheTarget) {
  Core core;
  Debugger gdb(core);
  std::string xml;
  for (std::string part = "m"; part[0] == 'm';) {
    part = gdb.ask(fmt::format("qXfer:features:read:target.xml:{:x},100", xml.size()));
    xml += part.substr(1);
  }
  EXPECT_THAT(xml, StartsWith("<?xml"));
  EXPECT_THAT(xml, HasSubstr("<architecture>riscv:rv32</architecture>"));
  EXPECT_THAT(xml, HasSubstr("name=\"pc\""));
  EXPECT_THAT(xml, testing::EndsWith("</target>"));
}

TEST(GdbServer, BreakpointsStepsAndTheEnd) {
  Core core;
  core->set_reg(9, kRegisters);
  core.put(kRam, {addi(5, 0, 3), addi(6, 6, 1), addi(5, 5, -1), bne(5, 0, -8), sw(0, 60, 9), kNop});
  Debugger gdb(core);
  EXPECT_EQ(gdb.ask("s"), "S05");
  EXPECT_EQ(core->pc(), kRam + 4);
  EXPECT_EQ(gdb.ask(fmt::format("Z0,{:x},4", kRam + 8)), "OK");
  EXPECT_EQ(gdb.ask("Z2,0,4"), "");
  for (uint32_t round = 1; round <= 2; ++round) {
    EXPECT_EQ(gdb.ask("c"), "S05");
    EXPECT_EQ(core->pc(), kRam + 8);
    EXPECT_EQ(core->reg(6), round);
  }
  EXPECT_EQ(gdb.ask("s"), "S05");
  EXPECT_EQ(core->pc(), kRam + 12);
  EXPECT_EQ(gdb.ask(fmt::format("z0,{:x},4", kRam + 8)), "OK");
  EXPECT_EQ(gdb.ask("c"), "W03");
  EXPECT_EQ(gdb.leave(), GdbEnd::finished);
  EXPECT_EQ(core->reg(6), 3u);
}

TEST(GdbServer, TrapsAndEbreaksStop) {
  Core core;
  core.put(kRam, {kEbreak, lw(5, 0, 0)});
  Debugger gdb(core);
  EXPECT_EQ(gdb.ask("c"), "S05");
  EXPECT_EQ(core->pc(), kRam);
  EXPECT_EQ(gdb.ask(fmt::format("c{:x}", kRam + 4)), "S0a");
  EXPECT_EQ(gdb.ask("P20=08000080"), "OK");
  EXPECT_EQ(gdb.ask("c"), "S04");  // zeros are illegal
  gdb.packet("k");
  EXPECT_EQ(gdb.leave(), GdbEnd::killed);
}

TEST(GdbServer, CtrlCStopsAnEndlessLoop) {
  Core core;
  core.put(kRam, {addi(5, 5, 1), jal(0, -4)});
  Debugger gdb(core);
  gdb.packet("c");
  gdb.raw("\x03");
  EXPECT_EQ(gdb.reply(), "S02");
  EXPECT_GT(core->reg(5), 0u);
  EXPECT_EQ(gdb.ask("?"), "S02");
  EXPECT_EQ(gdb.leave(), GdbEnd::killed);  // the connection is gone
}

TEST(GdbServer, WrongChecksumsAreAskedForAgain) {
  Core core;
  Debugger gdb(core);
  gdb.raw("$?#00");
  EXPECT_EQ(gdb.next(), '-');
  gdb.packet("?");
  EXPECT_EQ(gdb.next(), '+');
  EXPECT_EQ(gdb.reply(), "S05");
  EXPECT_EQ(gdb.ask("QStartNoAckMode"), "OK");
  gdb.packet("?");
  EXPECT_EQ(gdb.next(), '$');
}

TEST(GdbServer, APortInUse) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  Core core;
  const Result<GdbEnd> end =
      serve_gdb(*core, core.bus, ntohs(address.sin_port), [](uint64_t) { return GdbProgress{}; });
  ::close(fd);
  ASSERT_FALSE(end.ok());
  EXPECT_THAT(
      format_diagnostics(end.errors()),
      HasSubstr(fmt::format("port {} of 127.0.0.1 cannot be opened: ", ntohs(address.sin_port))));
}

}  // namespace
}  // namespace heddle::sim
