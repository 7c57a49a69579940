static const row rows[] = {
    {"NO_COLOR", "x"},
    {"LYCORIS_THREADS", "x"},
    {"LYCORIS_GONE", "x"}, /* SEEDED */
};
