// Wiring of the Mega 2560: the shield as on the Uno, whose SPI comes from the six-pin header, and sensors on the same numbers
// (docs/architecture.md section 2). Ref: ATmega640/1280/1281/2560/2561 data sheet (DS40002211).
#pragma once
#include <avr/io.h>

#define W5500_SELECT_DDR DDRB
#define W5500_SELECT_PORT PORTB
#define W5500_SELECT_BIT PB4  // D10

#define SD_SELECT_DDR DDRG
#define SD_SELECT_PORT PORTG
#define SD_SELECT_BIT PG5  // D4: the shield's card stays unselected

#define DHT11_DDR DDRE
#define DHT11_PORT PORTE
#define DHT11_PIN PINE
#define DHT11_BIT PE4  // D2

// SCK, MOSI, and the SPI's own SS (D53), which ends the master's mode where it is a low input (section 21.3).
#define SPI_DDR DDRB
#define SPI_OUTPUTS (_BV(PB1) | _BV(PB2) | _BV(PB0))

#define TWI_DDR DDRD
#define TWI_PORT PORTD
#define TWI_PIN PIND
#define TWI_SDA_BIT PD1  // D20
#define TWI_SCL_BIT PD0  // D21

#define LED_DDR DDRH
#define LED_PORT PORTH
#define LED_BIT PH5  // D8

// The serial line's input (PE0), as a pin change: PCINT8
#define RXD_CHANGE_MASK PCMSK1
#define RXD_CHANGE_BIT PCINT8
#define RXD_CHANGE_ENABLE PCIE1
#define RXD_CHANGE_FLAG PCIF1
#define RXD_CHANGE_vect PCINT1_vect

#define SOIL_ADC_CHANNEL 0  // A0
