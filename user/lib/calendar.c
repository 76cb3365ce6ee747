// SPDX-License-Identifier: BSD-2-Clause
/*
 * The calendar: days of the Gregorian calendar counted from 1970, in UTC.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY          86400L
#define DAYS_400Y    146097L
#define EPOCH_OFFSET 719468L /* days from 0000-03-01 to 1970-01-01 */

static const char days[] = "SundayMondayTuesdayWednesdayThursdayFridaySaturday";
static const unsigned char day_end[] = {0, 6, 12, 19, 28, 36, 42, 50};
static const char months[] =
    "JanuaryFebruaryMarchAprilMayJuneJulyAugustSeptemberOctoberNovemberDecember";
static const unsigned char month_end[] = {0, 7, 15, 20, 25, 28, 32, 36, 42, 51, 58, 66, 74};

/* Years here begin in March, so that the leap day is the last. */
struct tm *gmtime_r(const time_t *restrict t, struct tm *restrict tm)
{
    long day = *t / DAY, second = *t % DAY;
    if (second < 0) {
        second += DAY;
        day--;
    }
    long n = day + EPOCH_OFFSET;
    long era = (n >= 0 ? n : n - (DAYS_400Y - 1)) / DAYS_400Y;
    long in_era = n - era * DAYS_400Y;
    long year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    long in_year = in_era - (365 * year + year / 4 - year / 100);
    long month = (5 * in_year + 2) / 153;
    year += era * 400 + (month >= 10);
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *tm = (struct tm){
        .tm_sec = (int)(second % 60),
        .tm_min = (int)(second / 60 % 60),
        .tm_hour = (int)(second / 3600),
        .tm_mday = (int)(in_year - (153 * month + 2) / 5 + 1),
        .tm_mon = (int)(month < 10 ? month + 2 : month - 10),
        .tm_year = (int)(year - 1900),
        .tm_wday = (int)((day % 7 + 11) % 7),
        .tm_yday = (int)(month < 10 ? in_year + 59 + leap : in_year - 306),
    };
    return tm;
}

struct tm *gmtime(const time_t *t)
{
    static struct tm tm;
    return gmtime_r(t, &tm);
}

static size_t item(char *s, size_t max, char c, const struct tm *tm)
{
    const char *name;
    int n;
    switch (c) {
    case 'Y':
        return (size_t)snprintf(s, max, "%d", tm->tm_year + 1900);
    case 'y':
        return (size_t)snprintf(s, max, "%02d", (tm->tm_year % 100 + 100) % 100);
    case 'm':
        return (size_t)snprintf(s, max, "%02d", tm->tm_mon + 1);
    case 'd':
        return (size_t)snprintf(s, max, "%02d", tm->tm_mday);
    case 'e':
        return (size_t)snprintf(s, max, "%2d", tm->tm_mday);
    case 'H':
        return (size_t)snprintf(s, max, "%02d", tm->tm_hour);
    case 'M':
        return (size_t)snprintf(s, max, "%02d", tm->tm_min);
    case 'S':
        return (size_t)snprintf(s, max, "%02d", tm->tm_sec);
    case 'j':
        return (size_t)snprintf(s, max, "%03d", tm->tm_yday + 1);
    case 'A':
    case 'a':
        name = days + day_end[tm->tm_wday];
        n = c == 'a' ? 3 : day_end[tm->tm_wday + 1] - day_end[tm->tm_wday];
        return (size_t)snprintf(s, max, "%.*s", n, name);
    case 'B':
    case 'b':
        name = months + month_end[tm->tm_mon];
        n = c == 'b' ? 3 : month_end[tm->tm_mon + 1] - month_end[tm->tm_mon];
        return (size_t)snprintf(s, max, "%.*s", n, name);
    case 'F':
        return strftime(s, max, "%Y-%m-%d", tm);
    case 'T':
        return strftime(s, max, "%H:%M:%S", tm);
    case 'D':
        return strftime(s, max, "%m/%d/%y", tm);
    case 'Z':
        return (size_t)snprintf(s, max, "UTC");
    case 'z':
        return (size_t)snprintf(s, max, "+0000");
    default:
        return (size_t)snprintf(s, max, "%c", c == 'n' ? '\n' : c == 't' ? '\t' : c);
    }
}

size_t strftime(char *restrict s, size_t max, const char *restrict fmt,
                const struct tm *restrict tm)
{
    size_t n = 0;
    for (; *fmt && n < max; fmt++) {
        if (*fmt == '%' && fmt[1])
            n += item(s + n, max - n, *++fmt, tm);
        else
            s[n++] = *fmt;
    }
    if (n >= max)
        return 0;
    s[n] = '\0';
    return n;
}
