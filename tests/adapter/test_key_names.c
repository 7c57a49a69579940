/* test_key_names.c - names of tensors, taken apart and found
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapter/key_names.h"
#include "support/table.h"

static lyc_known_networks known;

static int open_known(void **state)
{
    (void)state;
    lyc_error err;
    return lyc_known_networks_open(&known, &err);
}

static int close_known(void **state)
{
    (void)state;
    lyc_known_networks_clear(&known);
    return 0;
}

static void finds_all_spellings(void **state)
{
    (void)state;
    test_table table;
    test_table_open(&table, "tests/adapter/key_names.txt");
    while (test_table_next(&table)) {
        char name[256], scheme[32], component[32], module[128], suffix[64], got[1024], want[1024];
        assert_int_equal(
            sscanf(table.line, "%255s | %31s | %31s | %127s | %63s", name, scheme, component, module, suffix), 5);
        lyc_key key;
        lyc_key_target target = {0};
        lyc_key_parse(&key, name, NULL);
        const bool found = lyc_key_index_find(&target, &known.index, &key);
        snprintf(got, sizeof got, "%s: %s | %s | %s | %s", name, lyc_key_scheme_name(key.scheme),
                 found ? target.inventory->component : "-", found ? target.entry->name : "-",
                 key.suffix != NULL ? key.suffix : "-");
        snprintf(want, sizeof want, "%s: %s | %s | %s | %s", name, scheme, component, module, suffix);
        assert_string_equal(got, want);
    }
    test_table_close(&table, 60);
}

/* No two modules of a network have one name: else a key could mean either. */
static void names_are_unique(void **state)
{
    (void)state;
    for (size_t k = 0; k < known.count; k++) {
        lyc_key_index alone = {0};
        lyc_error err;
        const lyc_inventory *inventory = &known.inventories[k];
        assert_int_equal(lyc_key_index_add(&alone, inventory, &err), LYC_OK);
        for (size_t i = 0; i < inventory->count; i++) {
            if (!inventory->entries[i].has_weight) {
                continue;
            }
            const char *const components[] = {inventory->component, NULL};
            const char *const names[] = {inventory->entries[i].name, inventory->entries[i].original};
            for (int n = 0; n < 2; n++) {
                lyc_key key = {.components = components};
                lyc_key_target target;
                snprintf(key.path, sizeof key.path, "%s", names[n]);
                assert_true(lyc_key_index_find(&target, &alone, &key));
                assert_string_equal(target.entry->name, inventory->entries[i].name);
            }
        }
        lyc_key_index_clear(&alone);
    }
}

static void makes_names(void **state)
{
    (void)state;
    static const struct {
        lyc_key_scheme scheme;
        const char *component, *path, *te_prefix, *suffix, *name;
    } cases[] = {
        {LYC_KEY_KOHYA, "unet", "a.b_c", NULL, "lora_up.weight", "lora_unet_a_b_c.lora_up.weight"},
        {LYC_KEY_KOHYA, "text_encoder_2", "a.b", "lora_te2", "alpha", "lora_te2_a_b.alpha"},
        {LYC_KEY_WRAPPER, "unet", "a.b", NULL, "lokr_w1", "lycoris_a_b.lokr_w1"},
        {LYC_KEY_DIFFUSERS, "text_encoder", "a.b", NULL, "lora_up.weight", "text_encoder.a.b.lora_B.weight"},
        {LYC_KEY_BARE, "transformer", "a.b", NULL, "lora_down.weight", "diffusion_model.a.b.lora_A.weight"},
        {LYC_KEY_PEFT, "unet", "a.b", NULL, "dora_scale", "base_model.model.a.b.lora_magnitude_vector"},
        {LYC_KEY_HCP, "unet", "a.b", NULL, "lora_down.weight", "a.b.___.layer.lora_down.weight"},
    };
    lyc_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s",
                 lyc_key_layer_name(&arena, cases[i].scheme, cases[i].component, cases[i].path, cases[i].te_prefix),
                 lyc_key_suffix(cases[i].scheme, cases[i].suffix));
        assert_string_equal(name, cases[i].name);
    }
    lyc_arena_clear(&arena);
}

static void takes_long_names(void **state)
{
    (void)state;
    char *name = malloc(5000);
    assert_non_null(name);
    for (size_t size = 1; size < 4900; size += 97) {
        memset(name, 'a', size);
        strcpy(name + size, ".lora_A.x.weight");
        lyc_key key;
        lyc_key_target target;
        lyc_key_parse(&key, name, NULL);
        assert_false(lyc_key_index_find(&target, &known.index, &key));
        assert_true(key.layer.length <= strlen(name));
    }
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_all_spellings),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(makes_names),
        cmocka_unit_test(takes_long_names),
    };
    return cmocka_run_group_tests(tests, open_known, close_known);
}
