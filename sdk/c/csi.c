// What a storage driver in C leaves out. What the plugin defines itself takes the place of these.
#include "csi.h"
#include "orch.h"

// The host makes no call that the driver's capabilities do not name: what is given is not freed.
#define UNDONE(name, ...)                                                                                \
  __attribute__((weak)) bool exports_orch_csi_##name(__VA_ARGS__, orch_csi_types_error_t *err) {        \
    err->code = ORCH_CSI_TYPES_CODE_UNIMPLEMENTED;                                                       \
    ORCH_SET(err->message, "the driver has no " #name);                                                  \
    return false;                                                                                        \
  }

typedef csi_string_t text;
typedef orch_csi_types_attributes_t attributes;
typedef orch_csi_types_capacity_range_t range;
typedef orch_csi_storage_borrow_directory_t directory;

UNDONE(controller_create_volume, exports_orch_csi_controller_new_volume_t *request, directory volume,
       directory *source, exports_orch_csi_controller_volume_t *ret)
UNDONE(controller_delete_volume, text *id, attributes *secrets, directory volume)
UNDONE(controller_validate_capabilities, text *id, exports_orch_csi_controller_list_volume_capability_t *wanted,
       attributes *context, csi_option_string_t *ret)
UNDONE(controller_controller_publish, exports_orch_csi_controller_publication_t *request, attributes *ret)
UNDONE(controller_controller_unpublish, text *id, text *node, attributes *secrets)
UNDONE(controller_capacity, attributes *parameters, attributes *accessible, directory pool,
       exports_orch_csi_controller_room_t *ret)
UNDONE(controller_controller_expand, text *id, range *capacity, attributes *secrets, directory volume,
       exports_orch_csi_controller_expansion_t *ret)
UNDONE(controller_create_snapshot, exports_orch_csi_controller_new_snapshot_t *request, directory volume,
       directory snapshot, exports_orch_csi_controller_snapshot_t *ret)
UNDONE(controller_delete_snapshot, text *id, attributes *secrets, directory snapshot)
UNDONE(node_stage, exports_orch_csi_node_volume_use_t *request, directory volume, directory staging)
UNDONE(node_unstage, text *id, directory staging)
UNDONE(node_publish, exports_orch_csi_node_volume_use_t *request, exports_orch_csi_node_pod_t *pod,
       bool read_only, directory volume, directory *staging, directory target)
UNDONE(node_unpublish, text *id, directory target)
UNDONE(node_volume_stats, text *id, directory target, exports_orch_csi_node_health_t *ret)
UNDONE(node_node_expand, text *id, range *capacity, directory target, uint64_t *ret)

__attribute__((weak)) bool exports_orch_csi_identity_configure(text *config, text *err) {
  csi_string_free(config);
  return true;
}

__attribute__((weak)) bool exports_orch_csi_identity_probe(bool *ret, orch_csi_types_error_t *err) {
  return *ret = true;
}

// The node's name, as many volumes as come, no place.
__attribute__((weak)) bool exports_orch_csi_node_info(text *node, attributes *labels,
                                                      exports_orch_csi_node_node_info_t *ret,
                                                      orch_csi_types_error_t *err) {
  *ret = (exports_orch_csi_node_node_info_t){.node_id = *node};
  orch_csi_types_attributes_free(labels);
  return true;
}
