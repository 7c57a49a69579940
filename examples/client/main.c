/* main.c - a client of liblycoris in 20 lines: what four numbers become in bfloat16
 *
 *     cc main.c $(pkg-config --cflags --libs lycoris)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include <lycoris/tensor.h>

int main(void)
{
    const float exact[] = {1.0f, 0.1f, 3.14159265f, 65504.0f};
    uint16_t stored[4];
    float rounded[4];
    lyc_error err;
    if (lyc_dtype_convert(stored, LYC_BF16, exact, LYC_F32, 4, &err) != LYC_OK ||
        lyc_dtype_convert(rounded, LYC_F32, stored, LYC_BF16, 4, &err) != LYC_OK) {
        fprintf(stderr, "client: %s\n", err.message);
        return 1;
    }
    for (int i = 0; i < 4; i++) {
        printf("%.8g is stored in %s as %.8g\n", (double)exact[i], lyc_dtype_name(LYC_BF16), (double)rounded[i]);
    }
    return 0;
}
