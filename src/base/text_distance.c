/* text_distance.c - how far one word is from another, for "did you mean ...?"
 *
 * Optimal string alignment (Damerau-Levenshtein without moving a letter twice), three rows at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "lycoris/option.h"

enum { LONGEST = 64 }; /* a longer word is nobody's typing error */

static int least(int a, int b)
{
    return a < b ? a : b;
}

int lyc_text_distance(const char *a, const char *b, int limit)
{
    const size_t a_length = strlen(a);
    const size_t b_length = strlen(b);
    if (a_length > LONGEST || b_length > LONGEST) {
        return limit + 1;
    }
    int rows[3][LONGEST + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) {
        above[j] = (int)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (int)i;
        int smallest = row[0];
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
            smallest = least(smallest, row[j]);
        }
        if (smallest > limit) {
            return limit + 1;
        }
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_length];
}

bool lyc_text_resembles(int *distance, const char *a, const char *b)
{
    const size_t length = strlen(a) > strlen(b) ? strlen(a) : strlen(b);
    const int limit = length < 3 ? 0 : length < 6 ? 1 : length < 9 ? 2 : 3;
    *distance = lyc_text_distance(a, b, limit);
    return *distance <= limit;
}
