// SPDX-License-Identifier: BSD-2-Clause
//
// Reads the embedded table (ksyms.py describes it): functions sorted by address, and for each one
// a byte stream of steps (address delta, line delta, file) that is replayed up to the address.
#include "amd64/ksyms.h"

#include "amd64/image.h"

struct ksyms_header {
    uint32_t nfunctions, nfiles;
    uint32_t functions, files, steps, strings; // byte offsets from the header
};

struct ksyms_function {
    uint32_t text_offset, size; // from text_start
    uint32_t name;              // offset into the strings
    uint32_t steps;             // offset into the steps
};

// Empty in the first link.
extern const struct ksyms_header ksyms_start[], ksyms_end[];

static const void *at(uint32_t offset)
{
    return (const char *)ksyms_start + offset;
}

static uint64_t read_uleb(const uint8_t **p)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return v;
}

// The last function that begins at or before the offset, or NULL.
static const struct ksyms_function *find_function(uint32_t offset)
{
    const struct ksyms_function *f = at(ksyms_start->functions);
    size_t low = 0, high = ksyms_start->nfunctions;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (f[mid].text_offset <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && offset - f[low - 1].text_offset < f[low - 1].size ? &f[low - 1] : NULL;
}

bool ksyms_find(vaddr_t va, struct ksym *sym)
{
    if (&ksyms_start[0] == &ksyms_end[0] || !in_kernel_text(va))
        return false;
    uint32_t offset = va - (vaddr_t)text_start;
    const struct ksyms_function *f = find_function(offset);
    if (!f)
        return false;
    const char *strings = at(ksyms_start->strings);
    const uint32_t *files = at(ksyms_start->files);
    *sym = (struct ksym){.function = strings + f->name, .offset = offset - f->text_offset};

    // Steps: address delta + 1 (0 ends), line delta (zigzag) * 2 + 1 if a file number follows.
    const uint8_t *p = (const uint8_t *)at(ksyms_start->steps) + f->steps;
    uint64_t address = 0, step;
    while ((step = read_uleb(&p)) != 0) {
        address += step - 1;
        if (address > sym->offset)
            break;
        uint64_t code = read_uleb(&p);
        uint64_t zigzag = code >> 1;
        sym->line += (unsigned)(zigzag >> 1 ^ -(zigzag & 1));
        if (code & 1)
            sym->file = strings + files[read_uleb(&p)];
    }
    return true;
}
