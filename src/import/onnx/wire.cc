// Counts what a protobuf message would allocate, before protobuf allocates it: an empty node takes
// two bytes in the file and two hundred in memory. Only the message types that can nest or repeat
// cheaply are followed.
#include "import/onnx/wire.h"

#include <array>

namespace heddle {
namespace {

enum class Message { model, graph, node, attribute, tensor, other };

struct Field {
  Message parent;
  uint64_t number;
  Message child;
};

// onnx.proto: field numbers of sub-messages.
constexpr std::array<Field, 8> kFields = {{
    {Message::model, 7, Message::graph},
    {Message::graph, 1, Message::node},
    {Message::graph, 5, Message::tensor},
    {Message::node, 5, Message::attribute},
    {Message::attribute, 5, Message::tensor},
    {Message::attribute, 6, Message::graph},
    {Message::attribute, 10, Message::tensor},
    {Message::attribute, 11, Message::graph},
}};

bool varint(std::string_view& bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes.empty()) return false;
    uint8_t byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// False once the budget is spent. Malformed input ends the walk: protobuf itself will refuse it.
bool walk(std::string_view bytes, Message message, int depth, int64_t* budget) {
  if (depth > 100) return true;  // protobuf's own limit
  while (!bytes.empty()) {
    if (--*budget < 0) return false;
    uint64_t tag = 0;
    uint64_t value = 0;
    if (!varint(bytes, &tag)) return true;
    switch (tag & 7) {
      case 0:
        if (!varint(bytes, &value)) return true;
        break;
      case 1:
      case 5: {
        size_t size = (tag & 7) == 1 ? 8 : 4;
        if (bytes.size() < size) return true;
        bytes.remove_prefix(size);
        break;
      }
      case 2: {
        if (!varint(bytes, &value) || value > bytes.size()) return true;
        std::string_view content = bytes.substr(0, value);
        bytes.remove_prefix(value);
        for (const Field& field : kFields) {
          if (field.parent == message && field.number == tag >> 3 &&
              !walk(content, field.child, depth + 1, budget))
            return false;
        }
        break;
      }
      default:
        return true;
    }
  }
  return true;
}

}  // namespace

bool within_field_budget(std::string_view model, int64_t fields) {
  return walk(model, Message::model, 0, &fields);
}

}  // namespace heddle
