/* dtype.c - the table of element types
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/dtype.h"

#include <assert.h>
#include <string.h>

#include "tensor/float_bits.h"

typedef struct dtype_entry {
    const char *name;
    int bits;
    bool is_float;
    double (*load)(const void *ptr);
    void (*store)(void *ptr, double value);
} dtype_entry;

/* Integer from double: towards zero, saturating, NaN becomes 0. */
static int64_t signed_of_double(double value, int64_t min, int64_t max)
{
    if (value != value) {
        return 0;
    }
    /* 2^63 is the first double beyond the maximum of 64 bits, which itself is no double. */
    if (value >= (double)max) {
        return max;
    }
    return value <= (double)min ? min : (int64_t)value;
}

static uint64_t unsigned_of_double(double value, uint64_t max)
{
    if (!(value > 0.0)) {
        return 0;
    }
    return value >= (double)max ? max : (uint64_t)value;
}

/* The f32 nearest to value, or its neighbour with an odd last bit when it is not exact: rounding the result once more
 * to a narrower type then gives what rounding value itself would have given. */
static float f32_of_f64_odd(double value)
{
    const float nearest = (float)value;
    const uint32_t bits = lyc_f32_bits(nearest);
    if ((double)nearest == value || value != value || (bits & 1) != 0) {
        return nearest;
    }
    const bool above = (value > 0) == ((double)nearest > value);
    return lyc_f32_of_bits(above ? bits - 1 : bits + 1);
}

#define DTYPE_INTEGER(name, type, of_double)                                                                           \
    static double load_##name(const void *ptr)                                                                         \
    {                                                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, ptr, sizeof value);                                                                             \
        return (double)value;                                                                                          \
    }                                                                                                                  \
    static void store_##name(void *ptr, double value)                                                                  \
    {                                                                                                                  \
        const type integer = (type)(of_double);                                                                        \
        memcpy(ptr, &integer, sizeof integer);                                                                         \
    }
DTYPE_INTEGER(u8, uint8_t, unsigned_of_double(value, UINT8_MAX))
DTYPE_INTEGER(u16, uint16_t, unsigned_of_double(value, UINT16_MAX))
DTYPE_INTEGER(u32, uint32_t, unsigned_of_double(value, UINT32_MAX))
DTYPE_INTEGER(u64, uint64_t, unsigned_of_double(value, UINT64_MAX))
DTYPE_INTEGER(i8, int8_t, signed_of_double(value, INT8_MIN, INT8_MAX))
DTYPE_INTEGER(i16, int16_t, signed_of_double(value, INT16_MIN, INT16_MAX))
DTYPE_INTEGER(i32, int32_t, signed_of_double(value, INT32_MIN, INT32_MAX))
DTYPE_INTEGER(i64, int64_t, signed_of_double(value, INT64_MIN, INT64_MAX))

#define DTYPE_FLOAT(name, type, from_bits, of_f32)                                                                     \
    static double load_##name(const void *ptr)                                                                         \
    {                                                                                                                  \
        type bits;                                                                                                     \
        memcpy(&bits, ptr, sizeof bits);                                                                               \
        return (double)from_bits(bits);                                                                                \
    }                                                                                                                  \
    static void store_##name(void *ptr, double value)                                                                  \
    {                                                                                                                  \
        const type bits = of_f32(f32_of_f64_odd(value));                                                               \
        memcpy(ptr, &bits, sizeof bits);                                                                               \
    }
DTYPE_FLOAT(f16, uint16_t, lyc_f32_of_f16, lyc_f16_of_f32)
DTYPE_FLOAT(bf16, uint16_t, lyc_f32_of_bf16, lyc_bf16_of_f32)
DTYPE_FLOAT(f8_e4m3, uint8_t, lyc_f32_of_f8_e4m3, lyc_f8_e4m3_of_f32)
DTYPE_FLOAT(f8_e5m2, uint8_t, lyc_f32_of_f8_e5m2, lyc_f8_e5m2_of_f32)

static double load_bool(const void *ptr)
{
    return *(const uint8_t *)ptr != 0 ? 1.0 : 0.0;
}

static void store_bool(void *ptr, double value)
{
    *(uint8_t *)ptr = value != 0.0;
}

static double load_f32(const void *ptr)
{
    float value;
    memcpy(&value, ptr, sizeof value);
    return (double)value;
}

static void store_f32(void *ptr, double value)
{
    const float nearest = (float)value;
    memcpy(ptr, &nearest, sizeof nearest);
}

static double load_f64(const void *ptr)
{
    double value;
    memcpy(&value, ptr, sizeof value);
    return value;
}

static void store_f64(void *ptr, double value)
{
    memcpy(ptr, &value, sizeof value);
}

/* clang-format off */
static const dtype_entry entries[LYC_DTYPE_COUNT] = {
    [LYC_BOOL]        = {"BOOL",        8,  false, load_bool,    store_bool},
    [LYC_F4]          = {"F4",          4,  false, NULL,         NULL},
    [LYC_F6_E2M3]     = {"F6_E2M3",     6,  false, NULL,         NULL},
    [LYC_F6_E3M2]     = {"F6_E3M2",     6,  false, NULL,         NULL},
    [LYC_U8]          = {"U8",          8,  false, load_u8,      store_u8},
    [LYC_I8]          = {"I8",          8,  false, load_i8,      store_i8},
    [LYC_F8_E5M2]     = {"F8_E5M2",     8,  true,  load_f8_e5m2, store_f8_e5m2},
    [LYC_F8_E4M3]     = {"F8_E4M3",     8,  true,  load_f8_e4m3, store_f8_e4m3},
    [LYC_F8_E8M0]     = {"F8_E8M0",     8,  false, NULL,         NULL},
    [LYC_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8,  false, NULL,         NULL},
    [LYC_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8,  false, NULL,         NULL},
    [LYC_I16]         = {"I16",         16, false, load_i16,     store_i16},
    [LYC_U16]         = {"U16",         16, false, load_u16,     store_u16},
    [LYC_F16]         = {"F16",         16, true,  load_f16,     store_f16},
    [LYC_BF16]        = {"BF16",        16, true,  load_bf16,    store_bf16},
    [LYC_I32]         = {"I32",         32, false, load_i32,     store_i32},
    [LYC_U32]         = {"U32",         32, false, load_u32,     store_u32},
    [LYC_F32]         = {"F32",         32, true,  load_f32,     store_f32},
    [LYC_C64]         = {"C64",         64, false, NULL,         NULL},
    [LYC_F64]         = {"F64",         64, true,  load_f64,     store_f64},
    [LYC_I64]         = {"I64",         64, false, load_i64,     store_i64},
    [LYC_U64]         = {"U64",         64, false, load_u64,     store_u64},
};
/* clang-format on */

const char *lyc_dtype_name(lyc_dtype dtype)
{
    return (unsigned)dtype < LYC_DTYPE_COUNT ? entries[dtype].name : "unknown";
}

int lyc_dtype_bits(lyc_dtype dtype)
{
    assert((unsigned)dtype < LYC_DTYPE_COUNT);
    return entries[dtype].bits;
}

bool lyc_dtype_computable(lyc_dtype dtype)
{
    return (unsigned)dtype < LYC_DTYPE_COUNT && entries[dtype].load != NULL;
}

bool lyc_dtype_is_float(lyc_dtype dtype)
{
    return (unsigned)dtype < LYC_DTYPE_COUNT && entries[dtype].is_float;
}

double lyc_dtype_load(lyc_dtype dtype, const void *ptr)
{
    assert(lyc_dtype_computable(dtype));
    return entries[dtype].load(ptr);
}

void lyc_dtype_store(lyc_dtype dtype, void *ptr, double value)
{
    assert(lyc_dtype_computable(dtype));
    entries[dtype].store(ptr, value);
}
