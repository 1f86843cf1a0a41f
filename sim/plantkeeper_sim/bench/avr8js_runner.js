// Runs a flash image on avr8js's ATmega328P until the PC stands on a word, and prints what came of it:
// cycles, CPU seconds spent running, and 32 bits at a data address. Usage: avr8js_runner.js MODULE IMAGE END ADDRESS
const fs = require("fs");
const [module_path, image_path, end_byte, address] = process.argv.slice(2);
const { CPU, avrInstruction, AVRUSART, usart0Config } = require(module_path);

const image = fs.readFileSync(image_path);
const flash = new Uint16Array(0x4000).fill(0xffff);
for (let at = 0; at + 1 < image.length; at += 2) flash[at / 2] = image.readUInt16LE(at);
const cpu = new CPU(flash);
new AVRUSART(cpu, usart0Config, 16e6);
const end = Number(end_byte) / 2;

const started = process.cpuUsage();
while (cpu.pc !== end) {
  avrInstruction(cpu);
  cpu.tick();
}
const spent = process.cpuUsage(started);
const seconds = (spent.user + spent.system) * 1e-6;

const at = Number(address);
const sum = [3, 2, 1, 0].map((byte) => cpu.data[at + byte].toString(16).padStart(2, "0")).join("");
console.log(`ran ${cpu.cycles} ${seconds.toFixed(9)} ${sum}`);
