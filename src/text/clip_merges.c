/* clip_merges.c - the merges of CLIP's vocabulary, put into the library by the assembler
 *
 * .incbin is known to the assemblers of gcc and clang on every architecture; an array of 524,619 numbers would have to
 * be generated and takes the compiler a hundred times as long.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/clip_merges.h"

extern const char lyc_clip_merges_begin[] __attribute__((visibility("hidden")));
extern const char lyc_clip_merges_end[] __attribute__((visibility("hidden")));

__asm__(".pushsection .rodata\n"
        ".global lyc_clip_merges_begin, lyc_clip_merges_end\n"
        ".hidden lyc_clip_merges_begin, lyc_clip_merges_end\n"
        "lyc_clip_merges_begin:\n"
        ".incbin \"text/clip_merges.txt\"\n"
        "lyc_clip_merges_end:\n"
        ".byte 0\n"
        ".popsection\n");

lyc_span lyc_clip_merges(void)
{
    return (lyc_span){lyc_clip_merges_begin, (size_t)(lyc_clip_merges_end - lyc_clip_merges_begin)};
}
