/* code_table.c - numbers of 8 bits that lie densely near zero
 *
 * "Dynamic tree quantisation" of bitsandbytes (create_dynamic_map): for i = 0..6, [0.1,1] is divided into 2^i equal
 * intervals (unsigned: 2^(i+1)), whose middles times 10^(i-6) are the values, with both signs in the signed table; and
 * 0 and 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/code_table.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The index of the nearest value; of two equally near ones the smaller. */
static int nearest(const lyc_code_table *t, float x)
{
    int low = 0, high = 255;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (x <= t->middles[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* torch.linspace(0.1, 1, intervals + 1)[k] in f32: counted from the nearer end, product and sum rounded once. */
static float border(int k, int intervals)
{
    const float step = (1.0f - 0.1f) / (float)intervals;
    return k < (intervals + 1) / 2 ? fmaf(step, (float)k, 0.1f) : fmaf(-step, (float)(intervals - k), 1.0f);
}

void lyc_code_table_make(lyc_code_table *t, bool is_signed)
{
    int n = 0;
    for (int i = 0; i < 7; i++) {
        const int intervals = 1 << (is_signed ? i : i + 1);
        const float exponent = (float)pow(10.0, i - 6);
        for (int k = 0; k < intervals; k++) {
            const float value = exponent * ((border(k, intervals) + border(k + 1, intervals)) / 2.0f);
            t->values[n++] = value;
            if (is_signed) {
                t->values[n++] = -value;
            }
        }
    }
    t->values[n++] = 0.0f;
    t->values[n++] = 1.0f;
    qsort(t->values, 256, sizeof t->values[0], compare);
    for (int i = 0; i < 255; i++) {
        t->middles[i] = (t->values[i] + t->values[i + 1]) / 2.0f;
    }
    t->zero = (uint8_t)nearest(t, 0.0f);
    for (int i = 0; i <= LYC_CODE_CELLS; i++) {
        t->first[i] = (uint8_t)nearest(t, -1.0f + 2.0f * (float)i / (float)LYC_CODE_CELLS);
    }
}

void lyc_code_widen(float *out, const uint8_t *codes, float scale, int64_t n, const lyc_code_table *table)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = table->values[codes[i]] * scale;
    }
}

void lyc_code_narrow(uint8_t *codes, float *scale, const float *numbers, int64_t n, const lyc_code_table *table)
{
    float largest = 0.0f;
    for (int64_t i = 0; i < n; i++) {
        const float magnitude = fabsf(numbers[i]);
        largest = magnitude > largest ? magnitude : largest;
    }
    *scale = largest;
    for (int64_t i = 0; i < n; i++) {
        if (!(largest > 0.0f)) {
            codes[i] = table->zero;
            continue;
        }
        const float x = numbers[i] / largest;
        int code = table->first[(int)((x + 1.0f) * (0.5f * (float)LYC_CODE_CELLS))];
        while (code < 255 && x > table->middles[code]) {
            code++;
        }
        while (code > 0 && x <= table->middles[code - 1]) {
            code--;
        }
        codes[i] = (uint8_t)code;
    }
}
