/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments: descriptors with a buffer of one of three sizes. */
#include "opal_config.h"

#include <string.h>

#include "btl_torobus.h"

/* Holds every header of the PML and a little more. */
#define SMALL 256

static void frag_construct(mca_btl_torobus_frag_t *frag)
{
    frag->base.des_segments = frag->segments;
    frag->base.des_segment_count = 1;
    frag->segments[0].seg_addr.pval = frag + 1;
}

OBJ_CLASS_INSTANCE(mca_btl_torobus_frag_t, mca_btl_base_descriptor_t, frag_construct, NULL);
OBJ_CLASS_INSTANCE(mca_btl_torobus_copy_t, opal_free_list_item_t, NULL, NULL);

static int frag_init(opal_free_list_item_t *item, void *list)
{
    ((mca_btl_torobus_frag_t *)item)->list = list;
    return OPAL_SUCCESS;
}

/*
 * The lists have no upper limit: the PML retries a refused ACK or FIN only when something else of
 * its own completes, so a refusal with nothing on the way would stop the job. What bounds the
 * memory is the PML's pipeline depth.
 */
static int list_init(opal_free_list_t *list, size_t size, opal_class_t *class,
                     opal_free_list_item_init_fn_t init)
{
    return opal_free_list_init(list, size, opal_cache_line_size, class, 0, opal_cache_line_size,
                               mca_btl_torobus_component.free_list_num, -1,
                               mca_btl_torobus_component.free_list_inc, NULL, 0, NULL, init, list);
}

int mca_btl_torobus_frags_init(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    int rc;

    rc = list_init(&c->frags_small, sizeof(mca_btl_torobus_frag_t) + SMALL,
                   OBJ_CLASS(mca_btl_torobus_frag_t), frag_init);
    if (OPAL_SUCCESS == rc) {
        rc = list_init(&c->frags_eager,
                       sizeof(mca_btl_torobus_frag_t) + mca_btl_torobus.btl_eager_limit,
                       OBJ_CLASS(mca_btl_torobus_frag_t), frag_init);
    }
    if (OPAL_SUCCESS == rc) {
        rc = list_init(&c->frags_max,
                       sizeof(mca_btl_torobus_frag_t) + mca_btl_torobus.btl_max_send_size,
                       OBJ_CLASS(mca_btl_torobus_frag_t), frag_init);
    }
    if (OPAL_SUCCESS == rc) {
        rc = list_init(&c->copies, sizeof(mca_btl_torobus_copy_t),
                       OBJ_CLASS(mca_btl_torobus_copy_t), NULL);
    }
    return rc;
}

mca_btl_base_descriptor_t *mca_btl_torobus_alloc(mca_btl_base_module_t *btl,
                                                 mca_btl_base_endpoint_t *ep, uint8_t order,
                                                 size_t size, uint32_t flags)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    opal_free_list_t *list = &c->frags_max;
    mca_btl_torobus_frag_t *frag;

    if (size <= SMALL) {
        list = &c->frags_small;
    } else if (size <= mca_btl_torobus.btl_eager_limit) {
        list = &c->frags_eager;
    } else if (OPAL_UNLIKELY(size > btl->btl_max_send_size)) {
        return NULL;
    }
    frag = (mca_btl_torobus_frag_t *)opal_free_list_get(list);
    if (OPAL_UNLIKELY(NULL == frag)) {
        return NULL;
    }
    frag->segments[0].seg_addr.pval = frag + 1;
    frag->segments[0].seg_len = size;
    frag->base.des_segment_count = 1;
    frag->base.des_flags = flags;
    frag->base.order = order;
    frag->base.des_cbfunc = NULL;
    frag->endpoint = ep;
    return &frag->base;
}

int mca_btl_torobus_free(mca_btl_base_module_t *btl, mca_btl_base_descriptor_t *des)
{
    mca_btl_torobus_frag_t *frag = (mca_btl_torobus_frag_t *)des;

    opal_free_list_return(frag->list, &des->super);
    return OPAL_SUCCESS;
}

/*
 * Contiguous data stays where it is: it is copied once, into the ring, when the fragment is sent.
 * The PML keeps the buffer until the fragment completes.
 */
mca_btl_base_descriptor_t *mca_btl_torobus_prepare_src(mca_btl_base_module_t *btl,
                                                       mca_btl_base_endpoint_t *ep,
                                                       opal_convertor_t *convertor, uint8_t order,
                                                       size_t reserve, size_t *size, uint32_t flags)
{
    const bool pack = opal_convertor_need_buffers(convertor);
    mca_btl_torobus_frag_t *frag;
    struct iovec iov;
    uint32_t iov_count = 1;
    void *data;
    int rc;

    if (OPAL_UNLIKELY(reserve >= btl->btl_max_send_size)) {
        return NULL;
    }
    if (*size > btl->btl_max_send_size - reserve) {
        *size = btl->btl_max_send_size - reserve;
    }
    frag = (mca_btl_torobus_frag_t *)mca_btl_torobus_alloc(btl, ep, order,
                                                           reserve + (pack ? *size : 0), flags);
    if (OPAL_UNLIKELY(NULL == frag)) {
        return NULL;
    }
    if (pack) {
        iov.iov_base = (IOVBASE_TYPE *)((unsigned char *)(frag + 1) + reserve);
        iov.iov_len = *size;
        rc = opal_convertor_pack(convertor, &iov, &iov_count, size);
        if (OPAL_UNLIKELY(0 > rc)) {
            mca_btl_torobus_free(btl, &frag->base);
            return NULL;
        }
        frag->segments[0].seg_len = reserve + *size;
    } else {
        opal_convertor_get_current_pointer(convertor, &data);
        frag->segments[1].seg_addr.pval = data;
        frag->segments[1].seg_len = *size;
        frag->base.des_segment_count = 2;
    }
    return &frag->base;
}

void mca_btl_torobus_frag_complete(mca_btl_torobus_frag_t *frag, int status)
{
    /* The callback may free or reuse a fragment that it owns. */
    const uint32_t flags = frag->base.des_flags;

    if ((MCA_BTL_DES_SEND_ALWAYS_CALLBACK & flags) && NULL != frag->base.des_cbfunc) {
        frag->base.des_cbfunc(frag->endpoint->module, frag->endpoint, &frag->base, status);
    }
    if (MCA_BTL_DES_FLAGS_BTL_OWNERSHIP & flags) {
        mca_btl_torobus_free(&mca_btl_torobus, &frag->base);
    }
}
