// A NINA module as WiFiNINA shows it: joining, one connection, peers that misbehave by a script.
#include <WiFiNINA.h>
#include <stdio.h>

#include <deque>
#include <vector>

#include "machine.h"

namespace nina {
namespace {

struct Peer {
    std::string kind, bytes;
    long number;
};

struct Part {
    uint64_t at_us;
    char byte;
};

const uint64_t JOIN_US = 3000000, OLD_CONNECT_US = 18500000;
const uint64_t SLOW_WRITE_US = 2500000, SLOW_STOP_US = 5000000;  // the longest that WiFiNINA waits
const char GOOD[] = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"message\": \"stored\"}";

std::string module = "ok", network = "up";
std::string joining;  // name and passphrase
uint64_t joined_at;
bool is_joining;
unsigned long begin_timeout_ms = 50000;
bool is_fixed;  // config() was called: the module asks no DHCP server

std::deque<Peer> peers;
Peer peer;
bool is_open, is_answered;
uint64_t closed_at;
std::string request, requests, target;
std::deque<Part> answer;

std::string hex(const std::string &bytes)
{
    std::string text;
    char pair[3];
    for (unsigned char c : bytes) snprintf(pair, sizeof pair, "%02x", c), text += pair;
    return text;
}

bool is_joined()
{
    return module != "absent" && is_joining && network == "up" && joining == "greenhouse|correct horse" &&
           machine::now_us() >= joined_at;
}

bool is_whole()
{
    const size_t head = request.find("\r\n\r\n"), length = request.find("Content-Length: ");
    return head != std::string::npos && length != std::string::npos &&
           request.size() >= head + 4 + strtoul(request.c_str() + length + 16, 0, 10);
}

void plan_answer()
{
    if (is_answered || !is_whole()) return;
    is_answered = true;
    uint64_t at = machine::now_us() + 20000;
    const bool scripted = peer.kind == "half" || peer.kind == "closed" || peer.kind == "drip";
    const std::string bytes = peer.kind == "silent" ? "" : scripted ? peer.bytes : GOOD;
    for (char c : bytes) {
        if (peer.kind == "drip") at += static_cast<uint64_t>(peer.number) * 1000;
        answer.push_back({at, c});
    }
    if (peer.kind != "half" && peer.kind != "silent") closed_at = at + 1000;
}

void note_request()
{
    if (!request.empty())
        requests += "request " + std::to_string(machine::now_us() / 1000) + " " + target + " " + hex(request) + "\n";
    request.clear();
}

}  // namespace

void set_module(const std::string &mode) { module = mode; }

void set_network(const std::string &mode)
{
    network = mode;
    is_joining = false;
}

void add_peer(const std::string &kind, const std::string &bytes, long number) { peers.push_back({kind, bytes, number}); }

std::string take_requests()
{
    const std::string taken = requests;
    requests.clear();
    return taken;
}

int join(const char *ssid, const char *passphrase)
{
    machine::advance_us(5000);
    if (module == "absent") return WL_NO_MODULE;
    requests += is_fixed ? "fixed\n" : "leased\n";
    joining = std::string(ssid) + "|" + passphrase;
    is_joining = true;
    joined_at = machine::now_us() + JOIN_US;
    const uint64_t until = machine::now_us() + begin_timeout_ms * 1000ull;
    while (machine::now_us() < until && !is_joined()) machine::advance_us(100000);
    return is_joined() ? WL_CONNECTED : WL_IDLE_STATUS;
}

}  // namespace nina

using namespace nina;

WiFiClass WiFi;

const char *WiFiClass::firmwareVersion() { return module == "old" ? "1.4.8" : "3.0.1"; }
int WiFiClass::begin(const char *ssid) { return join(ssid, ""); }
int WiFiClass::begin(const char *ssid, const char *passphrase) { return join(ssid, passphrase); }
void WiFiClass::setTimeout(unsigned long timeout) { begin_timeout_ms = timeout; }

void WiFiClass::config(IPAddress, IPAddress, IPAddress, IPAddress) { is_fixed = true; }

int WiFiClass::disconnect(void)
{
    is_joining = false;
    requests += "left " + std::to_string(machine::now_us() / 1000) + "\n";
    return 0;
}

uint8_t WiFiClass::status()
{
    machine::advance_us(300);
    if (module == "absent") return WL_NO_MODULE;
    if (is_joined()) return WL_CONNECTED;
    return is_joining ? WL_IDLE_STATUS : WL_CONNECTION_LOST;
}

WiFiClient::WiFiClient() : timeout_ms_(0) {}

int WiFiClient::connect(IPAddress ip, uint16_t port)
{
    if (is_open) machine::fault("connect on an open connection");
    while (module == "hang") machine::advance_us(1000);
    target = std::to_string(ip[0]) + "." + std::to_string(ip[1]) + "." + std::to_string(ip[2]) + "." +
             std::to_string(ip[3]) + ":" + std::to_string(port);
    peer = {"ok", "", 0};
    if (!peers.empty()) peer = peers.front(), peers.pop_front();
    answer.clear();
    request.clear();
    is_answered = false;
    closed_at = 0;
    if (peer.kind == "refuse") {
        machine::advance_us(10000);
        return 0;
    }
    if (peer.kind == "unreachable" || !is_joined()) {
        machine::advance_us(timeout_ms_ && module != "old" ? timeout_ms_ * 1000ull : OLD_CONNECT_US);
        return 0;
    }
    machine::advance_us(30000);
    is_open = true;
    return 1;
}

size_t WiFiClient::write(const uint8_t *buffer, size_t size)
{
    machine::advance_us(module == "slow" ? SLOW_WRITE_US : 2000);
    if (!is_open) return 0;
    if (peer.kind == "broken") {
        closed_at = machine::now_us();
        return 0;
    }
    if (peer.kind == "partial" && size > static_cast<size_t>(peer.number)) size = static_cast<size_t>(peer.number);
    request.append(reinterpret_cast<const char *>(buffer), size);
    if (is_joined()) plan_answer();
    return size;
}

int WiFiClient::available()
{
    machine::advance_us(300);
    if (!is_open) return 0;
    int ready = 0;
    while (static_cast<size_t>(ready) < answer.size() && answer[static_cast<size_t>(ready)].at_us <= machine::now_us()) ready++;
    return ready;
}

int WiFiClient::read(uint8_t *buffer, size_t size)
{
    const int ready = available();
    const size_t part = static_cast<size_t>(ready) < size ? static_cast<size_t>(ready) : size;
    for (size_t i = 0; i < part; i++) buffer[i] = static_cast<uint8_t>(answer.front().byte), answer.pop_front();
    return static_cast<int>(part);
}

uint8_t WiFiClient::status()
{
    machine::advance_us(300);
    if (!is_open) return 0;
    const bool is_closed = closed_at && closed_at <= machine::now_us();
    return is_closed && answer.empty() ? 0 : 4;
}

void WiFiClient::stop()
{
    machine::advance_us(module == "slow" ? SLOW_STOP_US : 100000);
    note_request();
    is_open = false;
}

WiFiClient::operator bool() { return is_open; }
