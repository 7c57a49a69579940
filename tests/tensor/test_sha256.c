/* test_sha256.c - the examples of FIPS 180-4, pieces of every size, and both implementations against each other
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"

static const char *hash_of(char hex[LYC_SHA256_HEX], const void *data, size_t size, size_t piece)
{
    lyc_sha256 hash;
    lyc_sha256_init(&hash);
    for (size_t at = 0; at < size; at += piece) {
        lyc_sha256_update(&hash, (const char *)data + at, piece < size - at ? piece : size - at);
    }
    return lyc_sha256_finish(hex, &hash);
}

static void gives_the_known_hashes(void **state)
{
    (void)state;
    /* NIST, examples with intermediate values for SHA-256; the last one has 1,000,000 times "a". */
    static const struct {
        const char *text, *hash;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[LYC_SHA256_HEX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(hash_of(hex, cases[i].text, strlen(cases[i].text), 64), cases[i].hash);
    }
    lyc_sha256 hash;
    char letters[1000];
    memset(letters, 'a', sizeof letters);
    lyc_sha256_init(&hash);
    for (int i = 0; i < 1000; i++) {
        lyc_sha256_update(&hash, letters, sizeof letters);
    }
    assert_string_equal(lyc_sha256_finish(hex, &hash),
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    unsigned char data[400];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * 37 + 11);
    }
    for (size_t size = 0; size <= sizeof data; size++) {
        char whole[LYC_SHA256_HEX];
        hash_of(whole, data, size, sizeof data);
        static const size_t pieces[] = {1, 7, 63, 64, 65, 128};
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            char hex[LYC_SHA256_HEX];
            assert_string_equal(hash_of(hex, data, size, pieces[i]), whole);
        }
    }
}

static void instructions_agree_with_portable_code(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!lyc_cpu_has_sha256()) {
        skip();
    }
    unsigned char data[64 * 9 + 1];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * i * 13 + i);
    }
    uint32_t a[8] = {1, 2, 3, 4, 0xFFFFFFFF, 6, 0x80000000, 8};
    uint32_t b[8];
    memcpy(b, a, sizeof a);
    for (size_t blocks = 0; blocks < 10; blocks++) {
        lyc_sha256_blocks_generic(a, data + blocks % 2, blocks);
        lyc_sha256_blocks_x86(b, data + blocks % 2, blocks);
        assert_memory_equal(a, b, sizeof a);
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_known_hashes),
        cmocka_unit_test(does_not_depend_on_the_pieces),
        cmocka_unit_test(instructions_agree_with_portable_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
