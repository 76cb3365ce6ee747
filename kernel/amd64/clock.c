// SPDX-License-Identifier: BSD-2-Clause
//
// Time. The TSC is taken to be constant and the same on all CPUs, as QEMU and KVM provide it.
#include "amd64/clock.h"

#include "amd64/apic.h"
#include "amd64/cpu.h"
#include "dev/io.h"
#include "sync/irq.h"

#define CALIBRATION_NS 2000000u
#define MAX_EVENT_NS   4000000000ul // fits the timer's 32 bits
#define CMOS_INDEX     0x70
#define CMOS_DATA      0x71

// clock_ns = (tsc - tsc_start) * scale / 2^SCALE_SHIFT
#define SCALE_SHIFT 32

static uint64_t tsc_start, tsc_hz; // constant after clock_init
static uint64_t scale;
static uint64_t realtime_offset_ns;

_Static_assert(APIC_TIMER_HZ == NS_PER_SEC, "timer ticks are nanoseconds");

struct reading {
    uint64_t tsc;
    uint32_t left; // on the timer
};

// Both clocks at one moment. A host may take the CPU away between two reads and give it back
// much later; the attempt that took least is the one whose reads belong together.
static struct reading read_both(const struct clock_source *s)
{
    enum { ATTEMPTS = 8 };
    struct reading best = {0, 0};
    uint64_t shortest = UINT64_MAX;
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        uint64_t before = s->tsc();
        uint32_t left = s->timer();
        uint64_t took = s->tsc() - before;
        if (took < shortest) {
            shortest = took;
            best = (struct reading){before + took / 2, left};
        }
    }
    return best;
}

uint64_t clock_measure_hz(const struct clock_source *s)
{
    struct reading first = read_both(s), last;
    do {
        last = read_both(s);
    } while (last.left > 0 && first.left - last.left < CALIBRATION_NS);
    if (last.left == 0)
        return 0;
    return (last.tsc - first.tsc) * NS_PER_SEC / (first.left - last.left);
}

static void calibrate(void)
{
    static const struct clock_source here = {rdtsc, apic_timer_count};
    do {
        apic_timer_set(~0u);
        tsc_hz = clock_measure_hz(&here);
    } while (tsc_hz == 0);
    apic_timer_set(0);
    // Within 0.1%, the virtual clock of -icount and its like: a tick is a nanosecond.
    if (tsc_hz > NS_PER_SEC / 1000 * 999 && tsc_hz < NS_PER_SEC / 1000 * 1001)
        tsc_hz = NS_PER_SEC;
    scale = (NS_PER_SEC << SCALE_SHIFT) / tsc_hz;
}

static uint8_t cmos_read(uint8_t reg)
{
    outb(CMOS_INDEX, reg);
    return inb(CMOS_DATA);
}

struct date {
    unsigned second, minute, hour, day, month, year;
};

static void cmos_date(struct date *d)
{
    enum { SECOND = 0, MINUTE = 2, HOUR = 4, DAY = 7, MONTH = 8, YEAR = 9, STATUS_B = 11 };
    const bool binary = cmos_read(STATUS_B) & 0x04;
    const uint8_t regs[6] = {SECOND, MINUTE, HOUR, DAY, MONTH, YEAR};
    unsigned v[6];
    for (unsigned i = 0; i < 6; i++) {
        v[i] = cmos_read(regs[i]);
        if (!binary)
            v[i] = (v[i] >> 4) * 10 + (v[i] & 15);
    }
    *d = (struct date){v[0], v[1], v[2], v[3], v[4], 2000 + v[5]};
}

// Days from 1970-01-01 in the Gregorian calendar, years counted from March.
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    if (month <= 2) {
        month += 12;
        year--;
    }
    return 365ul * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day -
           719469;
}

static uint64_t cmos_seconds(void)
{
    enum { STATUS_A = 10, UPDATING = 0x80, TRIES = 1000 };
    struct date before, d;
    if (cmos_read(STATUS_A) == 0xff)
        return 0; // no such device
    for (unsigned i = 0; i < TRIES && cmos_read(STATUS_A) & UPDATING; i++)
        cpu_relax();
    // Twice the same second: no update came between two of its fields.
    cmos_date(&d);
    do {
        before = d;
        cmos_date(&d);
    } while (d.second != before.second);
    return days_since_1970(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 +
           d.second;
}

void clock_init(void)
{
    calibrate();
    tsc_start = rdtsc();
    realtime_offset_ns = cmos_seconds() * NS_PER_SEC;
}

uint64_t clock_ns(void)
{
    return (unsigned __int128)(rdtsc() - tsc_start) * scale >> SCALE_SHIFT;
}

uint64_t clock_realtime_ns(void)
{
    return realtime_offset_ns + clock_ns();
}

uint64_t clock_tsc_hz(void)
{
    return tsc_hz;
}

void clock_set_event(uint64_t deadline_ns)
{
    if (deadline_ns == CLOCK_NEVER) {
        apic_timer_set(0);
        return;
    }
    uint64_t now = clock_ns();
    uint64_t delta = deadline_ns > now ? deadline_ns - now : 1;
    apic_timer_set(min(delta, MAX_EVENT_NS));
}

void clock_spin(uint64_t ns)
{
    uint64_t end = clock_ns() + ns;
    while (clock_ns() < end)
        cpu_relax();
}
