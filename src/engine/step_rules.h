/* What the kinds of steps demand; between step.c and step_rules.c. They fill the task in. */
#ifndef ENGINE_STEP_RULES_H
#define ENGINE_STEP_RULES_H

#include "engine/step.h"

int step_check_conv(const struct step_check *c, struct task *t);
int step_check_convert(const struct step_check *c, struct task *t);
int step_check_add(const struct step_check *c, struct task *t);
int step_check_float(const struct step_check *c, struct task *t); /* maps of floats, equal sizes */
int step_check_pool(const struct step_check *c, struct task *t);
int step_check_upsample2(const struct step_check *c, struct task *t);
int step_check_enlarge(const struct step_check *c, struct task *t);
int step_check_prelu(const struct step_check *c, struct task *t);

#endif
