// Wiring of the Uno (docs/architecture.md section 2).
#pragma once
#include <avr/io.h>

#define W5500_SELECT_DDR DDRB
#define W5500_SELECT_PORT PORTB
#define W5500_SELECT_BIT PB2  // D10

#define SD_SELECT_DDR DDRD
#define SD_SELECT_PORT PORTD
#define SD_SELECT_BIT PD4  // D4: the shield's card stays unselected

#define DHT11_DDR DDRD
#define DHT11_PORT PORTD
#define DHT11_PIN PIND
#define DHT11_BIT PD2  // D2

// SCK and MOSI; the W5500's select is the SPI's own SS, which has to be an output too (DS40002061B section 19.3.2).
#define SPI_DDR DDRB
#define SPI_OUTPUTS (_BV(PB5) | _BV(PB3))

#define TWI_DDR DDRC
#define TWI_PORT PORTC
#define TWI_PIN PINC
#define TWI_SDA_BIT PC4  // A4
#define TWI_SCL_BIT PC5  // A5

#define LED_DDR DDRB
#define LED_PORT PORTB
#define LED_BIT PB0  // D8

// The serial line's input, as a pin change: PCINT16
#define RXD_CHANGE_MASK PCMSK2
#define RXD_CHANGE_BIT PCINT16
#define RXD_CHANGE_ENABLE PCIE2
#define RXD_CHANGE_FLAG PCIF2
#define RXD_CHANGE_vect PCINT2_vect

#define SOIL_ADC_CHANNEL 0  // A0
