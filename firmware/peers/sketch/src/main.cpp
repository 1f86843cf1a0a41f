// A plain sketch that does what boards in the field do: reads, posts, waits (firmware/peers/README.md).
#include <Arduino.h>

#include "dht11.h"
#include "ethernet.h"
#include "si1145.h"

const int DHT_PIN = 2, LED_PIN = 8, SOIL_PIN = A0;
const unsigned long PERIOD_MS = 300000, ANSWER_MS = 1000;
const long DEVICE_ID = 7;
const byte MAC[6] = {0x02, 0, 0, 0, 0, DEVICE_ID}, IP[4] = {192, 0, 2, 20}, ROUTER[4] = {192, 0, 2, 1};
const byte MASK[4] = {255, 255, 255, 0}, GATEWAY[4] = {192, 0, 2, 10};
const unsigned int GATEWAY_PORT = 8080;

EthernetClient client;

float scaled(float value, float fromLow, float fromHigh, float toHigh)
{
    return (value - fromLow) * toHigh / (fromHigh - fromLow);
}

String measure()
{
    float temperature;
    bool known = readDht11(DHT_PIN, &temperature);
    float humidity = scaled(analogRead(SOIL_PIN), 1023, 700, 100);
    float light = constrain(scaled(readVisible(), 160, 800, 2000), 0, 2000);
    String json = "{\"id\":" + String(DEVICE_ID);
    json += ",\"temperature\":" + (known ? String(temperature, 8) : String("null"));
    json += ",\"humidity\":" + String((long)humidity);
    json += ",\"light\":" + String((long)light) + "}";
    return json;
}

// The status of the gateway's answer; 0 where none came.
int readAnswer()
{
    String line;
    int status = 0;
    long left = -1;
    for (unsigned long start = millis(); millis() - start < ANSWER_MS && left != 0;) {
        int c = client.read();
        if (c < 0) {
            if (!client.connected()) break;
            continue;
        }
        if (left > 0) {
            left--;
            continue;
        }
        if (c == '\n') {
            line.trim();
            if (line.startsWith("HTTP/")) status = line.substring(9, 12).toInt();
            if (line.startsWith("Content-Length: ")) left = -1 - line.substring(16).toInt();
            if (line.length() == 0) left = -1 - left;
            line = "";
        } else {
            line += (char)c;
        }
    }
    return status;
}

int post(const String &json)
{
    if (!client.connect(GATEWAY, GATEWAY_PORT)) return 0;
    client.println("POST /sensor-data HTTP/1.1");
    client.println("User-Agent: Arduino/2.2.0");
    client.println("Content-Type: application/json");
    client.println("Content-Length: " + String(json.length()));
    client.println("Connection: close");
    client.println();
    client.print(json);
    int status = readAnswer();
    client.stop();
    return status;
}

void setup()
{
    Serial.begin(115200);
    pinMode(LED_PIN, OUTPUT);
    client.begin(MAC, IP, ROUTER, MASK);
    if (!beginSi1145()) Serial.println("no SI1145");
    delay(1000);
}

void loop()
{
    digitalWrite(LED_PIN, HIGH);
    String json = measure();
    int status = post(json);
    Serial.println("POST " + json + ": " + String(status));
    digitalWrite(LED_PIN, LOW);
    delay(PERIOD_MS);
}
