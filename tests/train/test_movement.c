/* test_movement.c - how far weights have moved, where it is known
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pictures.h"

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "train/movement.h"

/* Groups are in the order of movement.c; W is f16, whose numbers times 0.1 are right to 2^-24. */
static void expect(const lyc_movement *m, int group, double value)
{
    if (isnan(value) ? !isnan(m->groups[group]) : !(fabs(m->groups[group] - value) < 1e-6)) {
        fail_msg("%s: %g, expected %g", lyc_movement_group_name(group), m->groups[group], value);
    }
}

/* Differences of a tenth of the weights, and of all layers of the middle of a half. */
static void adapters_move_by_what_they_add(void **state)
{
    static const char *const args[] = {"algo=full", NULL};
    lyc_error err;
    lyc_movement movement;
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    lyc_network *network = open_adapters(m, "attn-mlp", m->part_count - 1, args);
    (void)state;
    must(lyc_movement_measure(&movement, m, network, 0, NULL, &err), &err);
    assert_true(movement.all == 0);
    for (size_t i = 0; i < lyc_network_entry_count(network, 0); i++) {
        char name[512];
        lyc_weight_view view;
        const lyc_network_entry *entry = lyc_network_entry_at(network, 0, i);
        float *diff = entry->adapter->params[0].data;
        const size_t n = (size_t)lyc_shape_elements(&entry->adapter->params[0].shape);
        snprintf(name, sizeof name, "%s.weight", entry->module);
        assert_true(lyc_component_find(&view, m->networks.unet, name));
        must(lyc_dtype_convert_parallel(diff, LYC_F32, view.data, view.dtype, n, &err), &err);
        for (size_t k = 0; k < n; k++) {
            diff[k] *= strncmp(entry->module, "mid_", 4) == 0 ? 0.5f : 0.1f;
        }
    }
    must(lyc_movement_measure(&movement, m, network, 0, NULL, &err), &err);
    const double groups[LYC_MOVEMENT_GROUPS] = {(double)NAN, (double)NAN, 0.1, 0.5, 0.1, (double)NAN};
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        expect(&movement, i, groups[i]);
    }
    assert_true(movement.all > 0.1 && movement.all < 0.5);
    lyc_network_free(network);
    lyc_train_model_close(m);
}

static void whole_networks_move_by_their_difference(void **state)
{
    lyc_error err;
    lyc_movement movement;
    lyc_trainables set = {0};
    lyc_train_model *m = open_model(LYC_PRECISION_F32);
    (void)state;
    must(lyc_trainables_add_component(&set, m->networks.unet, 1, &err), &err);
    for (size_t i = 0; i < set.count; i++) {
        for (int64_t k = 0; k < set.rows[i].count; k++) {
            set.rows[i].value[k] *= 1.25f;
        }
    }
    must(lyc_movement_measure(&movement, m, NULL, 0, &set, &err), &err);
    const double groups[LYC_MOVEMENT_GROUPS] = {(double)NAN, (double)NAN, 0.25, 0.25, 0.25, 0.25};
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        expect(&movement, i, groups[i]);
    }
    assert_string_equal(set.rows[0].name + 0, lyc_trainables_find(&set, "unet", set.rows[0].name + 5)->name);
    lyc_trainables_clear(&set);
    lyc_train_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_move_by_what_they_add),
        cmocka_unit_test(whole_networks_move_by_their_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
