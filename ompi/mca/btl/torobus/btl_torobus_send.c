/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending: into the ring at once, or queued in order when it is full. */
#include "opal_config.h"

#include <string.h>

#include "btl_torobus_bus.h"

/* To ourselves: no ring, the receiver is called right here. */
static void loopback(mca_btl_base_module_t *btl, mca_btl_base_descriptor_t *des,
                     mca_btl_base_tag_t tag)
{
    const mca_btl_active_message_callback_t *reg = mca_btl_base_active_message_trigger + tag;

    reg->cbfunc(btl, tag, des, reg->cbdata);
    if (OPAL_UNLIKELY(opal_using_threads())) {
        mca_btl_torobus_bus_wake_self();
    }
}

/* Called with the endpoint's lock held and nothing queued before. */
static int push(mca_btl_torobus_endpoint_t *ep, mca_btl_torobus_frag_t *frag,
                mca_btl_base_tag_t tag)
{
    size_t len = frag->segments[0].seg_len;
    unsigned char *data;
    int rc;

    if (2 == frag->base.des_segment_count) {
        len += frag->segments[1].seg_len;
    }
    rc = mca_btl_torobus_bus_reserve(ep->tx, len, (void **)&data);
    if (OPAL_UNLIKELY(OPAL_SUCCESS != rc)) {
        return rc;
    }
    mca_btl_torobus_copy_small(data, frag->segments[0].seg_addr.pval, frag->segments[0].seg_len);
    if (2 == frag->base.des_segment_count) {
        mca_btl_torobus_copy_small(data + frag->segments[0].seg_len,
                                   frag->segments[1].seg_addr.pval, frag->segments[1].seg_len);
    }
    mca_btl_torobus_bus_commit(ep->tx, len, tag);
    return OPAL_SUCCESS;
}

int mca_btl_torobus_send(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                         mca_btl_base_descriptor_t *des, mca_btl_base_tag_t tag)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_torobus_frag_t *frag = (mca_btl_torobus_frag_t *)des;
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    frag->endpoint = ep;
    if (OPAL_UNLIKELY(NULL == ep->tx)) {
        loopback(btl, des, tag);
        mca_btl_torobus_frag_complete(frag, OPAL_SUCCESS);
        return 1;
    }

    OPAL_THREAD_LOCK(&ep->lock);
    if (OPAL_LIKELY(0 == opal_list_get_size(&ep->pending))) {
        rc = push(ep, frag, tag);
    }
    if (OPAL_UNLIKELY(OPAL_ERR_OUT_OF_RESOURCE == rc)) {
        /* Back-pressure: queued here, never refused. Having returned 0 we owe the callback. */
        frag->base.des_flags |= MCA_BTL_DES_SEND_ALWAYS_CALLBACK;
        frag->tag = tag;
        opal_list_append(&ep->pending, (opal_list_item_t *)frag);
    }
    OPAL_THREAD_UNLOCK(&ep->lock);

    if (OPAL_LIKELY(OPAL_SUCCESS == rc)) {
        /* Everything is in the ring: complete as far as the PML is concerned. */
        mca_btl_torobus_frag_complete(frag, OPAL_SUCCESS);
        return 1;
    }
    if (OPAL_ERR_OUT_OF_RESOURCE != rc) {
        mca_btl_torobus_endpoint_fail(ep, "cannot be sent to");
        return rc;
    }
    OPAL_THREAD_LOCK(&c->lock);
    if (!ep->queued) {
        ep->queued = true;
        opal_list_append(&c->endpoints_pending, &ep->super);
    }
    OPAL_THREAD_UNLOCK(&c->lock);
    return OPAL_SUCCESS;
}

/* The header and the packed data go straight into the ring. */
static int sendi_push(mca_btl_torobus_endpoint_t *ep, opal_convertor_t *convertor,
                      const void *header, size_t header_size, size_t payload_size,
                      mca_btl_base_tag_t tag)
{
    unsigned char *data;
    struct iovec iov;
    uint32_t iov_count = 1;
    size_t packed = payload_size;
    void *user;
    int rc;

    rc = mca_btl_torobus_bus_reserve(ep->tx, header_size + payload_size, (void **)&data);
    if (OPAL_UNLIKELY(OPAL_SUCCESS != rc)) {
        return rc;
    }
    mca_btl_torobus_copy_small(data, header, header_size);
    if (0 != payload_size) {
        if (OPAL_LIKELY(!opal_convertor_need_buffers(convertor))) {
            opal_convertor_get_current_pointer(convertor, &user);
            mca_btl_torobus_copy_small(data + header_size, user, payload_size);
        } else {
            iov.iov_base = (IOVBASE_TYPE *)(data + header_size);
            iov.iov_len = payload_size;
            (void)opal_convertor_pack(convertor, &iov, &iov_count, &packed);
        }
    }
    mca_btl_torobus_bus_commit(ep->tx, header_size + packed, tag);
    return OPAL_SUCCESS;
}

int mca_btl_torobus_sendi(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                          opal_convertor_t *convertor, void *header, size_t header_size,
                          size_t payload_size, uint8_t order, uint32_t flags,
                          mca_btl_base_tag_t tag, mca_btl_base_descriptor_t **descriptor)
{
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    if (OPAL_LIKELY(NULL != ep->tx)) {
        OPAL_THREAD_LOCK(&ep->lock);
        /* Behind queued fragments there is no overtaking. */
        if (OPAL_LIKELY(0 == opal_list_get_size(&ep->pending))) {
            rc = sendi_push(ep, convertor, header, header_size, payload_size, tag);
        }
        OPAL_THREAD_UNLOCK(&ep->lock);
        if (OPAL_LIKELY(OPAL_SUCCESS == rc)) {
            return OPAL_SUCCESS;
        }
    } else if (0 == payload_size || !opal_convertor_need_buffers(convertor)) {
        mca_btl_base_segment_t segments[2] = {{.seg_addr.pval = header, .seg_len = header_size},
                                              {.seg_len = payload_size}};
        mca_btl_base_descriptor_t des = {.des_segments = segments,
                                         .des_segment_count = 0 == payload_size ? 1 : 2};

        if (0 != payload_size) {
            opal_convertor_get_current_pointer(convertor, &segments[1].seg_addr.pval);
        }
        loopback(btl, &des, tag);
        return OPAL_SUCCESS;
    }

    if (NULL != descriptor) {
        *descriptor = mca_btl_torobus_alloc(btl, ep, order, header_size + payload_size, flags);
    }
    return OPAL_ERR_OUT_OF_RESOURCE;
}

/* Send what one endpoint has queued; what went out is moved to done. */
static int drain_pending(mca_btl_torobus_endpoint_t *ep, opal_list_t *done)
{
    mca_btl_torobus_frag_t *frag;
    int rc = OPAL_SUCCESS;

    OPAL_THREAD_LOCK(&ep->lock);
    while (0 != opal_list_get_size(&ep->pending)) {
        frag = (mca_btl_torobus_frag_t *)opal_list_get_first(&ep->pending);
        rc = push(ep, frag, frag->tag);
        if (OPAL_SUCCESS != rc) {
            break;
        }
        opal_list_remove_first(&ep->pending);
        opal_list_append(done, (opal_list_item_t *)frag);
    }
    OPAL_THREAD_UNLOCK(&ep->lock);
    return rc;
}

int mca_btl_torobus_send_pending(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_torobus_endpoint_t *ep, *next, *broken = NULL;
    opal_list_item_t *item;
    opal_list_t done;
    int n = 0, rc;

    OBJ_CONSTRUCT(&done, opal_list_t);
    OPAL_THREAD_LOCK(&c->lock);
    OPAL_LIST_FOREACH_SAFE(ep, next, &c->endpoints_pending, mca_btl_torobus_endpoint_t)
    {
        rc = drain_pending(ep, &done);
        if (OPAL_ERR_OUT_OF_RESOURCE != rc) {
            opal_list_remove_item(&c->endpoints_pending, &ep->super);
            ep->queued = false;
            if (OPAL_SUCCESS != rc) {
                broken = ep;
            }
        }
    }
    OPAL_THREAD_UNLOCK(&c->lock);

    while (NULL != (item = opal_list_remove_first(&done))) {
        mca_btl_torobus_frag_complete((mca_btl_torobus_frag_t *)item, OPAL_SUCCESS);
        n++;
    }
    OBJ_DESTRUCT(&done);
    if (NULL != broken) {
        mca_btl_torobus_endpoint_fail(broken, "cannot be sent to");
    }
    return n;
}
