/* SEEDED: a folder that no line names */
