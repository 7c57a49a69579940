/* block_weights.c - see block_weights.h
 *
 * The lists are those of sd-scripts (networks/svd_merge_lora.py) and of the web UIs' block weight extensions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/block_weights.h"

#include <stdbool.h>
#include <string.h>

enum { BASE = 0, IN = 1, MID = 13, OUT = 14 };

static int clamp_slot(int slot, int first, int last)
{
    return slot < first ? first : slot > last ? last : slot;
}

/* A number of one or two digits that ends at a dot or the end of the text; -1: there is none. */
static int take_number(const char **at)
{
    int n = 0, digits = 0;
    for (; **at >= '0' && **at <= '9' && digits < 3; digits++) {
        n = 10 * n + (*(*at)++ - '0');
    }
    const bool ends = **at == '.' || **at == '\0';
    *at += **at == '.';
    return digits > 0 && digits < 3 && ends ? n : -1;
}

static bool take(const char **at, const char *text)
{
    const size_t size = strlen(text);
    const bool found = strncmp(*at, text, size) == 0;
    *at += found ? size : 0;
    return found;
}

int lyc_block_slot(const char *component, const char *module)
{
    const char *at = module;
    if (strncmp(component, "text_encoder", 12) == 0) {
        return BASE;
    }
    if (take(&at, "mid_block.")) {
        return MID;
    }
    const bool up = take(&at, "up_blocks.");
    if (!up && !take(&at, "down_blocks.")) {
        return -1;
    }
    const int level = take_number(&at);
    const bool resamples = take(&at, up ? "upsamplers." : "downsamplers.");
    if (level < 0 || (!resamples && !take(&at, "resnets.") && !take(&at, "attentions."))) {
        return -1;
    }
    const int index = take_number(&at);
    if (index < 0) {
        return -1;
    }
    return up ? clamp_slot(OUT + 3 * level + (resamples ? 2 : index), OUT, LYC_BLOCK_SLOTS - 1)
              : clamp_slot(IN + (resamples ? 3 * (level + 1) : 3 * level + index + 1), IN, MID - 1);
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
