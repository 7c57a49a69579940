/* block_weights.c - see block_weights.h
 *
 * The lists are those of sd-scripts (networks/svd_merge_lora.py) and of the web UIs' block weight extensions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/block_weights.h"

#include <stdio.h>
#include <string.h>

enum { BASE = 0, IN = 1, MID = 13, OUT = 14 };

static int clamp_slot(int slot, int first, int last)
{
    return slot < first ? first : slot > last ? last : slot;
}

int lyc_block_slot(const char *component, const char *module)
{
    int level, index;
    char kind[16];
    if (strncmp(component, "text_encoder", 12) == 0) {
        return BASE;
    }
    if (strncmp(module, "mid_block.", 10) == 0) {
        return MID;
    }
    if (sscanf(module, "down_blocks.%2d.%15[a-z].%2d", &level, kind, &index) == 3 && level >= 0 && index >= 0) {
        const int block = strcmp(kind, "downsamplers") == 0 ? 3 * (level + 1) : 3 * level + index + 1;
        return clamp_slot(IN + block, IN, MID - 1);
    }
    if (sscanf(module, "up_blocks.%2d.%15[a-z].%2d", &level, kind, &index) == 3 && level >= 0 && index >= 0) {
        const int block = strcmp(kind, "upsamplers") == 0 ? 3 * level + 2 : 3 * level + index;
        return clamp_slot(OUT + block, OUT, LYC_BLOCK_SLOTS - 1);
    }
    return -1;
}

/* Which slots a list of each length is for, in order. */
static const struct layout {
    size_t count;
    signed char slots[LYC_BLOCK_SLOTS];
} layouts[] = {
    {12, {0, 5, 6, 8, 9, 13, 14, 15, 16, 17, 18, 19}},
    {17, {0, 2, 3, 5, 6, 8, 9, 13, 17, 18, 19, 20, 21, 22, 23, 24, 25}},
    {20, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}},
    {26, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25}},
};

lyc_status lyc_block_weights(double out[LYC_BLOCK_SLOTS], const double *list, size_t count, lyc_error *err)
{
    for (int i = 0; i < LYC_BLOCK_SLOTS; i++) {
        out[i] = 1;
    }
    for (size_t k = 0; k < sizeof layouts / sizeof layouts[0]; k++) {
        if (layouts[k].count == count) {
            for (size_t i = 0; i < count; i++) {
                out[layouts[k].slots[i]] = list[i];
            }
            return LYC_OK;
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "%zu block weights; expected 12, 17, 20 or 26", count);
}
