// SPDX-License-Identifier: BSD-2-Clause
//
// The console's 16550. The transmitter's FIFO takes 16 bytes once the holding register is empty,
// so one status read serves 16 bytes.
#include "dev/uart.h"

#include "dev/io.h"
#include "sync/spinlock.h"

#define COM1      0x3f8
#define FIFO_SIZE 16

// The registers: data, interrupt enable (while LCR_DLAB: the divisor, low and high), FIFO control,
// line control, modem control, line status.
enum { REG_DATA, REG_IER, REG_FCR, REG_LCR, REG_MCR, REG_LSR };
enum { IER_RECEIVED = 0x01, FCR_ENABLE_CLEAR = 0x07, LCR_8N1 = 0x03, LCR_DLAB = 0x80 };
enum { MCR_DTR_RTS_OUT2 = 0x0b }; // OUT2 gates the interrupt line
enum { LSR_DATA_READY = 0x01, LSR_THR_EMPTY = 0x20, LSR_ALL_SENT = 0x40 };

static struct spinlock uart_lock = SPINLOCK_INIT("console", LOCK_CONSOLE, 0);
static bool panic_mode;          // never cleared
static void (*receiver)(char c); // constant once set

void uart_init(void)
{
    outb(COM1 + REG_IER, 0);
    outb(COM1 + REG_LCR, LCR_DLAB | LCR_8N1);
    outb(COM1 + REG_DATA, 1); // 115200 baud
    outb(COM1 + REG_IER, 0);
    outb(COM1 + REG_LCR, LCR_8N1);
    outb(COM1 + REG_FCR, FCR_ENABLE_CLEAR);
    outb(COM1 + REG_MCR, MCR_DTR_RTS_OUT2);
}

static void lock(void)
{
    if (!panic_mode)
        spin_lock(&uart_lock);
}

static void unlock(void)
{
    if (!panic_mode)
        spin_unlock(&uart_lock);
}

static void send(const char *data, size_t len)
{
    while (len > 0) {
        size_t chunk = min(len, (size_t)FIFO_SIZE);
        while (!(inb(COM1 + REG_LSR) & LSR_THR_EMPTY))
            ;
        outsb(COM1 + REG_DATA, data, chunk);
        data += chunk;
        len -= chunk;
    }
}

void uart_write(const char *data, size_t len)
{
    lock();
    send(data, len);
    unlock();
}

void uart_write_text(const char *text, size_t len)
{
    lock();
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n')
            continue;
        send(text + start, i - start);
        send("\r\n", 2);
        start = i + 1;
    }
    send(text + start, len - start);
    unlock();
}

void uart_drain(void)
{
    while (!(inb(COM1 + REG_LSR) & LSR_ALL_SENT))
        ;
}

void uart_set_receiver(void (*receive)(char c))
{
    receiver = receive;
    outb(COM1 + REG_IER, IER_RECEIVED);
}

// Reads until the line is quiet, without the lock: only this handler reads, and the receiver may
// echo through uart_write.
void uart_interrupt(void *arg UNUSED)
{
    while (inb(COM1 + REG_LSR) & LSR_DATA_READY) {
        char c = (char)inb(COM1 + REG_DATA);
        if (receiver)
            receiver(c);
    }
}

void uart_panic_mode(void)
{
    panic_mode = true;
}
