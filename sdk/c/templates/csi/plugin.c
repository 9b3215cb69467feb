// Volumes that are directories of the node. Calls that are not here the SDK answers (sdk/c/csi.c).
#include "csi.h"
#include "orch.h"

typedef orch_csi_storage_borrow_directory_t directory;
typedef orch_csi_types_error_t failure;

static csi_string_t borrowed(char *text) {
  csi_string_t string;
  csi_string_set(&string, text);
  return string;
}

void exports_orch_csi_identity_describe(exports_orch_csi_identity_description_t *ret) {
  *ret = (exports_orch_csi_identity_description_t){
      .capabilities =
          EXPORTS_ORCH_CSI_IDENTITY_CAPABILITIES_CREATE_DELETE | EXPORTS_ORCH_CSI_IDENTITY_CAPABILITIES_PUBLISH,
  };
  ORCH_SET(ret->name, "{{name}}.example.com");
  ORCH_SET(ret->version, "0.1.0");
}

bool exports_orch_csi_controller_create_volume(exports_orch_csi_controller_new_volume_t *request, directory volume,
                                               directory *source, exports_orch_csi_controller_volume_t *ret,
                                               failure *err) {
  csi_string_t data = borrowed("data");
  bool ok = orch_csi_storage_method_directory_make_directory(volume, &data, err);
  if (ok) {
    char *name = orch_format("%.*s", (int)request->name.len, (char *)request->name.ptr);
    *ret = (exports_orch_csi_controller_volume_t){.capacity_bytes = request->capacity.required_bytes};
    ORCH_SET(ret->volume_id, name);
    free(name);
  }
  exports_orch_csi_controller_new_volume_free(request);
  return ok;
}

bool exports_orch_csi_controller_delete_volume(csi_string_t *id, exports_orch_csi_controller_attributes_t *secrets,
                                               directory volume, failure *err) {
  csi_string_t all = borrowed("");
  csi_string_free(id);
  exports_orch_csi_controller_attributes_free(secrets);
  return orch_csi_storage_method_directory_remove(volume, &all, err);
}

bool exports_orch_csi_node_publish(exports_orch_csi_node_volume_use_t *request, exports_orch_csi_node_pod_t *pod,
                                   bool read_only, directory volume, directory *staging, directory target,
                                   failure *err) {
  csi_string_t data = borrowed("data");
  exports_orch_csi_node_volume_use_free(request);
  exports_orch_csi_node_pod_free(pod);
  return orch_csi_storage_method_directory_bind_mount(volume, &data, target, read_only, err);
}

bool exports_orch_csi_node_unpublish(csi_string_t *id, directory target, failure *err) {
  csi_string_free(id);
  return orch_csi_storage_method_directory_unmount(target, err);
}
