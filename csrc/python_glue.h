/* python_glue.h - what Python needs around a fork. The core itself does not know it. */
#ifndef PVS_PYTHON_GLUE_H
#define PVS_PYTHON_GLUE_H

#include "pvs.h"

const struct pvs_hooks *pvs_python_hooks(void);

#endif
