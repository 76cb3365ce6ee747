// SPDX-License-Identifier: BSD-2-Clause
//
// Reads the embedded table (ksyms.py describes it): functions sorted by address.
#include "amd64/ksyms.h"

#include "amd64/image.h"

struct ksyms_header {
    uint32_t nfunctions;
    struct ksyms_function {
        uint32_t text_offset, size; // from text_start
        uint32_t name;              // offset from the header
    } functions[];
};

// Empty in the first link.
extern const char ksyms_start[], ksyms_end[];

static const struct ksyms_header *table(void)
{
    return (const struct ksyms_header *)ksyms_start;
}

// The last function that begins at or before the offset, or NULL.
static const struct ksyms_function *find_function(uint32_t offset)
{
    const struct ksyms_function *f = table()->functions;
    size_t low = 0, high = table()->nfunctions;
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
    if (f)
        *sym = (struct ksym){ksyms_start + f->name, offset - f->text_offset};
    return f;
}
