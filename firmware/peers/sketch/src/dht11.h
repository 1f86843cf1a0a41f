// A DHT11, read as sketches do: pulses counted in a loop, interrupts off.
#pragma once

// False where it does not answer or its checksum is wrong.
bool readDht11(int pin, float *temperature);
