// SPDX-License-Identifier: BSD-2-Clause
//
// The console: a 16550 at COM1. Transmission is polled and whole messages at a time; reception is
// by interrupt, one call of the registered function per character.
//
// Locks: the console lock (LOCK_CONSOLE), taken inside. Callable in any context.
#pragma once

#include "lib/types.h"

#define UART_IRQ 4      // the interrupt pin, which start-up routes to uart_interrupt

void uart_init(void);

// Sends the bytes as they are.
void uart_write(const char *data, size_t len);

// Sends text with a carriage return before each newline; the sink of kprintf.
void uart_write_text(const char *text, size_t len);

// Waits until all is on the wire; before the machine is turned off.
void uart_drain(void);

// Registers who gets received characters (called in interrupt context) and enables reception.
void uart_set_receiver(void (*receive)(char c));
void uart_interrupt(void *unused);

// From now on no lock is taken: the machine is going down and its holder may be stopped.
void uart_panic_mode(void);
