// dma_place: where the words of an instruction go.
//
// LOAD (put): word k of a record goes to WB wb + k, then CM cm + k (cm_quad: slot cm + k / 4, bank
// k % 4), OM om + k, then QM qm + k, once for each field of qm_fields, the lowest first; with
// `keep` also to the weight store from word `store` on; words read from there (st_re) count too.
// LOADF and STORE: FM or TM addr + k, counted by f_step.
// `take` begins an instruction, its first put comes at least three cycles later. A word with put in
// cycle t is written in t + 1: all outputs are registers, those of the store's and feature memory's
// addresses as they are in that cycle.
// A section is the words of one memory, of QM those of a field.
// Names: n_* words of a section, has_* whether there are any, one_* exactly one; at_* the section
// of the next word; p_* parameters of the lanes, f_* FM and TM, st_* the weight store.
// Reset: none. Cost: 4 counters of 14 to 16 bits, the selection of a section.
`default_nettype none
module dma_place (
    input  wire        clk,
    // instruction
    input  wire        take,
    input  wire [15:0] place,    // wb, or addr
    input  wire [ 2:0] has,      // words for {OM, CM, WB}
    input  wire [ 3:0] one,      // exactly one for {QM, OM, CM, WB}
    input  wire [15:0] n_wb,
    input  wire [ 7:0] n_cm,
    input  wire [ 7:0] cm,
    input  wire        cm_quad,
    input  wire [ 7:0] n_om,
    input  wire [ 7:0] om,
    input  wire [ 7:0] n_qm,
    input  wire [ 7:0] qm,
    input  wire [ 5:0] qm_fields,
    input  wire        keep,
    input  wire [15:0] store,
    // words
    input  wire        put,      // a word of a LOAD
    output reg         wb_we,
    output wire [15:0] wb_addr,
    output reg         p_we,
    output reg  [ 1:0] p_sel,    // 0 CM, 1 OM, 2 QM
    output wire [ 7:0] p_slot,
    output wire [ 2:0] p_field,
    output reg         st_we,
    input  wire        st_re,
    output wire [15:0] st_addr,
    input  wire        f_step,
    output wire [13:0] f_addr
);
    reg [15:0] place_q, n_wb_q;
    reg [7:0] n_cm_q, n_om_q, n_qm_q, cm_q, om_q, qm_q;
    reg [2:0] has_q;
    reg [3:0] one_q;
    reg [5:0] fields_q;  // of QM, to come
    reg cm_quad_q;
    reg keep_q;  // to be written to the store
    reg begin_q;  // the cycle after take
    reg at_wb_q, at_cm_q, at_om_q;  // else QM
    reg last_q;  // the next word is the last one of its section
    reg [15:0] left_q;  // words of the section
    reg [15:0] at_q, addr_q;  // WB: word; else {slot, field}. Of the next word, of this one
    reg [13:0] f_addr_q;
    reg [15:0] store_q;

    // The next section: the first with words behind this one.
    wire turn = begin_q || (put && last_q);
    wire to_wb = begin_q && has_q[0];
    wire to_cm = !to_wb && (begin_q || at_wb_q) && has_q[1];
    wire to_om = !to_wb && !to_cm && (begin_q || at_wb_q || at_cm_q) && has_q[2];
    wire to_qm = !to_wb && !to_cm && !to_om;
    wire [2:0] field = fields_q[0] ? 3'd0 : fields_q[1] ? 3'd1 : fields_q[2] ? 3'd2
        : fields_q[3] ? 3'd3 : fields_q[4] ? 3'd4 : 3'd5;
    wire [15:0] first = to_wb ? place_q
        : {5'd0, to_cm ? cm_q : to_om ? om_q : qm_q, to_qm ? field : 3'd0};
    // All but WB step by slots; with quad a slot of CM has four fields.
    wire [3:0] by = at_wb_q ? 4'd1 : !(at_cm_q && cm_quad_q) ? 4'd8
        : at_q[1:0] == 2'd3 ? 4'd5 : 4'd1;

    assign wb_addr = addr_q;
    assign p_slot = addr_q[10:3];
    assign p_field = addr_q[2:0];
    assign st_addr = store_q;
    assign f_addr = f_addr_q;

    always @(posedge clk) begin
        begin_q <= take;
        if (turn) begin
            at_wb_q <= to_wb;
            at_cm_q <= to_cm;
            at_om_q <= to_om;
            at_q    <= first;
            left_q  <= to_wb ? n_wb_q : {8'd0, to_cm ? n_cm_q : to_om ? n_om_q : n_qm_q};
            last_q  <= to_wb ? one_q[0] : to_cm ? one_q[1] : to_om ? one_q[2] : one_q[3];
            if (to_qm) fields_q <= fields_q & (fields_q - 6'd1);
        end else if (put) begin
            at_q   <= at_q + {12'd0, by};
            left_q <= left_q - 16'd1;
            last_q <= left_q == 16'd2;
        end
        wb_we  <= put && at_wb_q;
        p_we   <= put && !at_wb_q;
        p_sel  <= at_cm_q ? 2'd0 : at_om_q ? 2'd1 : 2'd2;
        addr_q <= at_q;
        st_we  <= put && keep_q;
        if (st_we || st_re) store_q <= store_q + 16'd1;
        if (f_step) f_addr_q <= f_addr_q + 14'd1;
        if (take) begin
            f_addr_q <= place[13:0];
            place_q <= place;
            has_q <= has;
            one_q <= one;
            n_wb_q <= n_wb;
            n_cm_q <= n_cm;
            n_om_q <= n_om;
            cm_q <= cm;
            cm_quad_q <= cm_quad;
            om_q <= om;
            n_qm_q <= n_qm;
            qm_q <= qm;
            fields_q <= qm_fields;
            keep_q <= keep;
            store_q <= store;
        end
    end
endmodule
`default_nettype wire
