// firmware/lib on the host: one request a line on stdin, one answer a line on stdout, bytes in hex.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "backoff.h"
#include "bootcount.h"
#include "config.h"
#include "crc16.h"
#include "dhcp_client.h"
#include "dht11_frame.h"
#include "error_queue.h"
#include "flash_eeprom.h"
#include "frame.h"
#include "grammar.h"
#include "hmac.h"
#include "http_answer.h"
#include "journal.h"
#include "line_reader.h"
#include "meaning.h"
#include "message.h"
#include "scales.h"
#include "settings.h"
#include "sha256.h"
#include "signature.h"
#include "states.h"
#include "stuck.h"
#include "text.h"
#include "wifi_settings.h"

namespace {

typedef std::vector<uint8_t> Bytes;

Bytes from_hex(const std::string &text)
{
    Bytes bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(static_cast<uint8_t>(strtoul(text.substr(i, 2).c_str(), NULL, 16)));
    return bytes;
}

std::string to_hex(const void *data, size_t length)
{
    std::string text;
    for (size_t i = 0; i < length; i++) {
        char pair[3];
        snprintf(pair, sizeof pair, "%02x", static_cast<const uint8_t *>(data)[i]);
        text += pair;
    }
    return text;
}

std::string next_word(std::istringstream &words)
{
    std::string word;
    words >> word;
    return word;
}

long number(std::istringstream &words) { return strtol(next_word(words).c_str(), NULL, 10); }

Bytes bytes(std::istringstream &words)
{
    std::string word;
    words >> word;
    return from_hex(word);
}

std::string config(std::istringstream &words)
{
    Bytes record = bytes(words);
    pk::Config read;
    uint16_t generation;
    if (!pk::decode_config(record.data(), &read, &generation)) return "refused";
    uint8_t again[pk::CONFIG_BYTES];
    pk::encode_config(read, generation, again);
    return to_hex(again, sizeof again);
}

std::string config_slots(std::istringstream &words)
{
    uint8_t slots[pk::CONFIG_SLOTS][pk::CONFIG_BYTES];
    for (size_t slot = 0; slot < pk::CONFIG_SLOTS; slot++) {
        Bytes record = bytes(words);
        for (size_t i = 0; i < pk::CONFIG_BYTES; i++) slots[slot][i] = record[i];
    }
    pk::Config read = pk::default_config();
    pk::ConfigPlace place = pk::newest_config(slots, &read);
    std::ostringstream out;
    out << (place.found ? read.id : 0) << ' ' << int(place.next_slot) << ' ' << place.next_generation;
    return out.str();
}

// Carries out CONF:… lines, separated by `|`, on the default configuration.
std::string configure(std::istringstream &words)
{
    std::string all, line, out;
    std::getline(words, all);
    std::istringstream lines(all);
    pk::Config changed = pk::default_config();
    while (std::getline(lines, line, '|')) {
        char buffer[32];
        pk::TextBuffer reply(buffer, sizeof buffer);
        pk::Line parsed = pk::parse_line(line.c_str());
        out += std::to_string(parsed.header == pk::HEADER_UNDEFINED ? pk::ERROR_UNDEFINED_HEADER
                                                                    : pk::configure(parsed, &changed, reply));
        out += std::string(" ") + reply.content() + "|";
    }
    uint8_t record[pk::CONFIG_BYTES];
    pk::encode_config(changed, 0, record);
    return out + to_hex(record, sizeof record);
}

// Carries out lines, in hex, one after the other: each one's error and reply; then the record of what is set.
std::string wifi(std::istringstream &words)
{
    pk::WifiSettings settings = pk::no_wifi();
    std::string out;
    for (std::string word; words >> word;) {
        const Bytes line = from_hex(word);
        char buffer[80];
        pk::TextBuffer reply(buffer, sizeof buffer);
        out += std::to_string(pk::configure_wifi(std::string(line.begin(), line.end()).c_str(), &settings, reply));
        out += ":" + to_hex(reply.content(), reply.length()) + " ";
    }
    uint8_t record[pk::WIFI_RECORD_BYTES];
    pk::encode_wifi(settings, record);
    return out + to_hex(record, sizeof record);
}

std::string wifi_record(std::istringstream &words)
{
    Bytes record = bytes(words);
    pk::WifiSettings settings;
    if (!pk::decode_wifi(record.data(), &settings)) return "refused";
    uint8_t again[pk::WIFI_RECORD_BYTES];
    pk::encode_wifi(settings, again);
    return to_hex(again, sizeof again);
}

std::string parse(std::istringstream &words)
{
    Bytes given = bytes(words);
    std::string text(given.begin(), given.end());
    pk::Line line = pk::parse_line(text.c_str());
    return std::to_string(line.header) + (line.query ? " query " : " command ") +
           to_hex(line.parameters, strlen(line.parameters));
}

std::string lines(std::istringstream &words)
{
    pk::LineReader reader;
    std::string out;
    for (uint8_t byte : bytes(words)) {
        pk::LineReader::State state = reader.feed(static_cast<char>(byte));
        if (state == pk::LineReader::OVERRUN) out += "overrun|";
        if (state == pk::LineReader::COMPLETE) out += to_hex(reader.text(), strlen(reader.text())) + "|";
    }
    return out;
}

std::string frame(std::istringstream &words)
{
    Bytes contents = bytes(words);
    uint8_t wire[pk::FRAME_ON_WIRE];
    uint8_t length = pk::encode_frame(contents.data(), static_cast<uint8_t>(contents.size()), wire);
    return to_hex(wire, length);
}

// Text as `t`, frames by their contents.
std::string unframe(std::istringstream &words)
{
    pk::FrameReader reader;
    std::string out;
    for (uint8_t byte : bytes(words)) {
        pk::FrameReader::Kind kind = reader.feed(byte);
        if (kind == pk::FrameReader::TEXT) out += "t" + to_hex(&byte, 1) + " ";
        if (kind == pk::FrameReader::FRAME) out += "f" + to_hex(reader.contents(), reader.length()) + " ";
    }
    return out;
}

std::string errors(std::istringstream &words)
{
    pk::ErrorQueue queue;
    std::string out;
    for (std::string word; words >> word;) {
        if (word == "pop") {
            char buffer[40];
            pk::TextBuffer text(buffer, sizeof buffer);
            pk::write_error(text, queue.pop());
            out += std::string(buffer) + "|";
        } else if (word == "clear") {
            queue.clear();
        } else {
            queue.push(static_cast<pk::Error>(strtol(word.c_str(), NULL, 10)));
        }
    }
    return out;
}

std::string boot(std::istringstream &words)
{
    Bytes given = bytes(words);
    uint8_t slots[pk::BOOT_SLOTS][pk::BOOT_SLOT_BYTES];
    for (size_t i = 0; i < given.size(); i++) slots[i / pk::BOOT_SLOT_BYTES][i % pk::BOOT_SLOT_BYTES] = given[i];
    pk::BootCounter next = pk::next_boot(slots);
    uint8_t slot[pk::BOOT_SLOT_BYTES];
    pk::encode_boot(next.count, slot);
    std::ostringstream out;
    out << next.count << ' ' << int(next.slot) << ' ' << to_hex(slot, sizeof slot);
    return out.str();
}

std::string dht11(std::istringstream &words)
{
    Bytes high_us = bytes(words);
    pk::Dht11Frame frame = {0, 0};
    std::ostringstream out;
    out << pk::decode_dht11(high_us.data(), &frame) << ' ' << frame.temperature_tenths << ' ' << frame.humidity_tenths;
    return out.str();
}

std::string scaled(std::istringstream &words)
{
    const uint16_t code = static_cast<uint16_t>(number(words));
    pk::Scale scale;
    scale.zero = static_cast<uint16_t>(number(words));
    scale.full = static_cast<uint16_t>(number(words));
    return std::to_string(pk::scaled(code, scale, static_cast<uint16_t>(number(words))));
}

// Pairs of a raw value and a tick.
std::string stuck(std::istringstream &words)
{
    pk::StuckWatch watch;
    std::string out;
    for (std::string word; words >> word;) {
        const uint16_t value = static_cast<uint16_t>(strtoul(word.c_str(), NULL, 10));
        out += watch.see(value, static_cast<uint32_t>(number(words))) ? "1 " : "0 ";
    }
    return out;
}

std::string median(std::istringstream &words)
{
    std::vector<uint16_t> samples;
    for (std::string word; words >> word;) samples.push_back(static_cast<uint16_t>(strtoul(word.c_str(), NULL, 10)));
    return std::to_string(pk::median(samples.data(), static_cast<uint8_t>(samples.size())));
}

std::string request(std::istringstream &words)
{
    std::vector<char> buffer(static_cast<size_t>(number(words)));
    pk::TextBuffer out(buffer.data(), static_cast<uint16_t>(buffer.size()));
    pk::Config to = pk::default_config();
    to.id = static_cast<int32_t>(number(words));
    Bytes gateway = bytes(words);
    for (size_t i = 0; i < 4; i++) to.gateway[i] = gateway[i];
    to.gateway_port = static_cast<uint16_t>(number(words));
    pk::Reading reading;
    reading.boot = static_cast<uint32_t>(number(words));
    reading.seq = static_cast<uint32_t>(number(words));
    reading.taken_at = 0;
    reading.temperature_tenths = static_cast<int16_t>(number(words));
    reading.humidity = static_cast<uint8_t>(number(words));
    reading.light = static_cast<uint16_t>(number(words));
    uint32_t age_s = static_cast<uint32_t>(number(words));
    to.key_number = static_cast<uint16_t>(number(words));
    Bytes key = bytes(words);
    for (size_t i = 0; i < key.size(); i++) to.key[i] = key[i];
    pk::write_request(out, to, reading, age_s);
    return (out.overflowed() ? "cut " : "whole ") + to_hex(out.content(), out.length());
}

std::string sha256(std::istringstream &words)
{
    pk::Sha256 hash;
    for (std::string word; words >> word;) {
        Bytes piece = from_hex(word);
        hash.feed(piece.data(), static_cast<uint16_t>(piece.size()));
    }
    uint8_t digest[pk::SHA256_BYTES];
    hash.finish(digest);
    return to_hex(digest, sizeof digest);
}

std::string hmac(std::istringstream &words)
{
    Bytes key = bytes(words), data = bytes(words);
    pk::HmacSha256 code(key.data(), static_cast<uint8_t>(key.size()));
    for (uint8_t byte : data) code.put(static_cast<char>(byte));
    uint8_t digest[pk::SHA256_BYTES];
    code.finish(digest);
    return to_hex(digest, sizeof digest);
}

std::string base64(std::istringstream &words)
{
    char buffer[400];
    pk::TextBuffer out(buffer, sizeof buffer);
    Bytes data = bytes(words);
    pk::write_base64(out, data.data(), static_cast<uint8_t>(data.size()));
    return out.content();
}

// A word is a Retry-After in s (0: none), whose pause is answered, or `succeed` or `despair`.
std::string backoff(std::istringstream &words)
{
    pk::Backoff pauses;
    pauses.begin(static_cast<uint32_t>(strtoul(next_word(words).c_str(), NULL, 10)));
    std::string out;
    for (std::string word; words >> word;) {
        if (word == "succeed")
            pauses.succeed();
        else if (word == "despair")
            pauses.despair();
        else
            out += std::to_string(pauses.fail_ms(static_cast<uint16_t>(strtoul(word.c_str(), NULL, 10)))) + " ";
    }
    return out;
}

std::string states(std::istringstream &)
{
    std::ostringstream out;
    for (uint8_t i = 0; i < pk::STATES; i++) {
        const pk::StateRow row = pk::state_row(static_cast<pk::State>(i));
        out << row.name << ' ' << int(row.exits) << ' ' << int(row.led) << ' ' << row.deadline_ms << '|';
    }
    return out.str();
}

std::string http(std::istringstream &words)
{
    pk::HttpAnswer answer;
    for (std::string word; words >> word;) {
        if (word == "close") {
            answer.close();
        } else {
            Bytes piece = from_hex(word);
            answer.feed(piece.data(), static_cast<uint16_t>(piece.size()));
        }
    }
    return std::to_string(answer.state()) + " " + std::to_string(answer.status()) + " " +
           std::to_string(answer.retry_after_s());
}

// EEPROM that loses its power after a number of written bytes; the byte it was at holds noise then.
struct PowerCut {};

class Memory : public pk::ByteStore {
public:
    Memory(const Bytes &content, long cut_after, uint8_t noise) : content(content), left_(cut_after), noise_(noise) {}
    uint8_t read(uint16_t at) const { return content.at(at); }
    void write(uint16_t at, uint8_t value)
    {
        if (dead.count(at)) return;
        if (left_-- == 0) {
            content.at(at) = noise_;
            throw PowerCut();
        }
        content.at(at) = value;
    }

    void survive() { left_ = -1; }

    Bytes content;
    std::set<uint16_t> dead;  // cells that are worn out

private:
    long left_;
    uint8_t noise_;
};

// Flash that loses its power at an operation, which then leaves some of its bits as they were, by a random number.
class Rows : public pk::Flash {
public:
    Rows(const Bytes &content, long cut_after, uint32_t noise) : content(content), left_(cut_after), noise_(noise | 1) {}
    const uint8_t *page(uint16_t number) const { return &content.at(number * pk::FLASH_PAGE); }
    void erase_row(uint16_t row)
    {
        const size_t bytes = pk::FLASH_PAGE * pk::PAGES_PER_ROW;
        const bool cut = left_-- == 0;
        erased[row]++;
        for (size_t i = 0; i < bytes; i++) content.at(row * bytes + i) |= cut ? random() : 0xFF;
        if (cut) throw PowerCut();
    }
    void write_page(uint16_t number, const uint8_t bytes[pk::FLASH_PAGE])
    {
        const bool cut = left_-- == 0;
        for (size_t i = 0; i < pk::FLASH_PAGE; i++)
            content.at(number * pk::FLASH_PAGE + i) &= static_cast<uint8_t>(bytes[i] | (cut ? random() : 0));
        if (worn.count(number)) content.at(number * pk::FLASH_PAGE + 9) = 0x55;
        if (cut) throw PowerCut();
    }

    Bytes content;
    std::set<uint16_t> worn;
    std::map<uint16_t, int> erased;  // how often

private:
    uint8_t random()
    {
        noise_ ^= noise_ << 13, noise_ ^= noise_ >> 17, noise_ ^= noise_ << 5;
        return static_cast<uint8_t>(noise_ >> 8);
    }

    long left_;
    uint32_t noise_;
};

std::string flash_bytes(const pk::FlashEeprom &eeprom)
{
    Bytes bytes;
    for (uint16_t at = 0; at < pk::FlashEeprom::BYTES; at++) bytes.push_back(eeprom.read(at));
    return to_hex(bytes.data(), bytes.size());
}

// Opens an EEPROM in flash and carries out words: `write at bytes`, `commit`. Answers what it held, each commit's result or
// `cut`, what it holds, the flash, and how often each row was erased.
std::string flash(std::istringstream &words)
{
    Bytes content = bytes(words);
    const long cut_after = number(words);
    Rows rows(content, cut_after, static_cast<uint32_t>(number(words)));
    for (long worn = number(words); worn >= 0; worn = number(words)) rows.worn.insert(static_cast<uint16_t>(worn));
    pk::FlashEeprom eeprom(rows, static_cast<uint16_t>(content.size() / pk::FLASH_PAGE / pk::PAGES_PER_ROW));
    eeprom.open();
    std::string out = flash_bytes(eeprom) + ' ';
    try {
        for (std::string word; words >> word;) {
            if (word == "commit") {
                out += eeprom.commit() ? '1' : '0';
                continue;
            }
            const uint16_t at = static_cast<uint16_t>(number(words));
            Bytes given = bytes(words);
            for (size_t i = 0; i < given.size(); i++) eeprom.write(static_cast<uint16_t>(at + i), given[i]);
        }
        out += '.';
    } catch (const PowerCut &) {
        out += "cut";
    }
    out += ' ' + flash_bytes(eeprom) + ' ' + to_hex(rows.content.data(), rows.content.size()) + ' ';
    for (const auto &row : rows.erased) out += std::to_string(row.first) + ':' + std::to_string(row.second) + ',';
    return out;
}

std::string shown(const pk::Reading &reading, uint32_t age)
{
    std::ostringstream out;
    out << reading.boot << '-' << reading.seq << ':' << reading.taken_at << ':' << reading.temperature_tenths << ':'
        << reading.light << ':' << int(reading.humidity) << '@' << age;
    return out.str();
}

// Opens a journal on the EEPROM's content, and carries out words: `append boot seq tick tenths light humidity`, `pop`,
// `drop`. Answers how many waited, each append's result, then all that wait with their age at `now`, and the content.
std::string journal(std::istringstream &words)
{
    Bytes content = bytes(words);
    const uint32_t boot_count = static_cast<uint32_t>(number(words)), now = static_cast<uint32_t>(number(words));
    const long cut_after = number(words);
    Memory memory(content, cut_after, static_cast<uint8_t>(number(words)));
    for (long worn = number(words); worn >= 0; worn = number(words)) memory.dead.insert(static_cast<uint16_t>(worn));
    const uint8_t slots = static_cast<uint8_t>(content.size() / pk::JOURNAL_RECORD_BYTES);
    pk::Journal ring(memory, 0, slots);
    ring.open(boot_count);
    std::ostringstream out;
    out << int(ring.waiting()) << ' ' << ring.dropped();
    try {
        for (std::string word; words >> word;) {
            if (word == "pop") {
                ring.pop();
            } else if (word == "drop") {
                ring.drop();
            } else {
                pk::Reading reading;
                reading.boot = static_cast<uint32_t>(number(words));
                reading.seq = static_cast<uint32_t>(number(words));
                reading.taken_at = static_cast<uint32_t>(number(words));
                reading.temperature_tenths = static_cast<int16_t>(number(words));
                reading.light = static_cast<uint16_t>(number(words));
                reading.humidity = static_cast<uint8_t>(number(words));
                out << (ring.append(reading) ? " stored" : " worn");
            }
        }
    } catch (const PowerCut &) {
        out << " cut";
    }
    out << " | " << (ring.full() ? "full" : "room") << ' ' << ring.dropped();
    const Bytes after = memory.content;
    memory.survive();
    for (; ring.waiting(); ring.pop()) out << ' ' << shown(ring.oldest(), ring.oldest_age_ticks(now));
    out << " | " << to_hex(after.data(), after.size());
    return out.str();
}

// One client, from `begin` on: `begin mac seed now`, then any of `advance now`, `reconnect`, `take datagram`, `write`, or
// nothing. Answers what changed, the state and its name, whether a datagram is due now and within 4 s, the address with mask,
// router and lease where there is one, and for `write` where the datagram goes and its bytes.
std::string dhcp(std::istringstream &words)
{
    static pk::DhcpClient client;
    static uint8_t mac[pk::DHCP_MAC_BYTES];
    pk::DhcpClient::Change change = pk::DhcpClient::NONE;
    std::string written, act = next_word(words);
    if (act == "begin") {
        Bytes given = bytes(words);
        for (size_t i = 0; i < sizeof mac; i++) mac[i] = given.at(i);
        const uint32_t seed = static_cast<uint32_t>(number(words));
        client.begin(mac, seed, static_cast<uint32_t>(number(words)));
    } else if (act == "advance") {
        change = client.advance(static_cast<uint32_t>(number(words)));
    } else if (act == "reconnect") {
        client.reconnect();
    } else if (act == "take") {
        pk::DhcpAnswer answer = client.answer();
        for (uint8_t byte : bytes(words)) answer.feed(byte);
        change = client.take(answer);
    } else if (act == "write") {
        std::vector<char> buffer(pk::DHCP_DATAGRAM_BYTES + 1);
        pk::TextBuffer out(buffer.data(), static_cast<uint16_t>(buffer.size()));
        written = " " + to_hex(client.destination(), pk::DHCP_IP_BYTES);
        client.write(out);
        written += (out.overflowed() ? " cut" : " ") + to_hex(out.content(), out.length());
    }
    char name[16];
    pk::TextBuffer state(name, sizeof name);
    pk::write_state(state, client.state());
    std::ostringstream out;
    out << change << ' ' << name << ' ' << client.is_due() << ' ' << client.is_due_within(4000) << ' ';
    if (client.has_address())
        out << to_hex(client.address(), 4) << ' ' << to_hex(client.mask(), 4) << ' ' << to_hex(client.router(), 4) << ' '
            << client.lease_s();
    else
        out << "- - - 0";
    return out.str() + written;
}

std::string text(std::istringstream &words)
{
    std::string kind;
    words >> kind;
    std::vector<char> buffer(static_cast<size_t>(number(words)));
    pk::TextBuffer out(buffer.data(), static_cast<uint16_t>(buffer.size()));
    if (kind == "number") out.number(static_cast<uint32_t>(number(words)));
    if (kind == "signed") out.signed_number(static_cast<int32_t>(number(words)));
    if (kind == "tenths") out.tenths(static_cast<int16_t>(number(words)));
    if (kind == "hex8") out.hex8(static_cast<uint8_t>(number(words)));
    if (kind == "address") out.address(bytes(words).data());
    return (out.overflowed() ? "cut " : "whole ") + std::string(buffer.empty() ? "" : out.content());
}

std::string answer_to(const std::string &line)
{
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "crc") {
        Bytes data = bytes(words);
        return std::to_string(pk::crc16(data.data(), static_cast<uint16_t>(data.size())));
    }
    if (name == "default_config") {
        uint8_t record[pk::CONFIG_BYTES];
        pk::encode_config(pk::default_config(), 0, record);
        return to_hex(record, sizeof record);
    }
    if (name == "config_slots") return config_slots(words);
    if (name == "configure") return configure(words);
    if (name == "parse") return parse(words);
    if (name == "lines") return lines(words);
    if (name == "frame") return frame(words);
    if (name == "unframe") return unframe(words);
    if (name == "errors") return errors(words);
    if (name == "config") return config(words);
    if (name == "boot") return boot(words);
    if (name == "dht11") return dht11(words);
    if (name == "scaled") return scaled(words);
    if (name == "stuck") return stuck(words);
    if (name == "median") return median(words);
    if (name == "request") return request(words);
    if (name == "sha256") return sha256(words);
    if (name == "hmac") return hmac(words);
    if (name == "base64") return base64(words);
    if (name == "backoff") return backoff(words);
    if (name == "meaning") return std::to_string(pk::meaning_of(static_cast<uint16_t>(number(words))));
    if (name == "states") return states(words);
    if (name == "http") return http(words);
    if (name == "dhcp") return dhcp(words);
    if (name == "journal") return journal(words);
    if (name == "flash") return flash(words);
    if (name == "wifi") return wifi(words);
    if (name == "wifi_record") return wifi_record(words);
    if (name == "text") return text(words);
    return "unknown request";
}

}  // namespace

int main()
{
    for (std::string line; std::getline(std::cin, line);) std::cout << answer_to(line) << std::endl;
    return 0;
}
