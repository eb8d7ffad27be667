// dma_place: where the words of an instruction go.
//
// LOAD (put): word k of a record goes to WB wb + k, then CM cm + k (cm_quad: slot cm + k / 4, bank
// k % 4), OM om + k, then QM: slot qm + k / 8, field k % 8 (field 7 is not written); with `keep`
// also to the weight store from word `store` on; words that are read from there (st_re) count too.
// LOADF and STORE: FM or TM addr + k, counted by f_step.
// Names: n_* words left of a section, in_* the section of this word; p_* parameters of the lanes,
// f_* FM and TM, st_* the weight store.
// `take` begins an instruction. Combinational from the counters. Reset: none.
// Cost: 9 counters of 8 to 16 bits.
`default_nettype none
module dma_place (
    input  wire        clk,
    // instruction
    input  wire        take,
    input  wire [15:0] place,    // wb, or addr
    input  wire [15:0] n_wb,
    input  wire [ 7:0] n_cm,
    input  wire [ 7:0] cm,
    input  wire        cm_quad,
    input  wire [ 7:0] n_om,
    input  wire [ 7:0] om,
    input  wire [ 7:0] qm,
    input  wire        keep,
    input  wire [15:0] store,
    // words
    input  wire        put,      // a word of a LOAD
    output wire        wb_we,
    output wire [15:0] wb_addr,
    output wire        p_we,
    output wire [ 1:0] p_sel,    // 0 CM, 1 OM, 2 QM
    output wire [ 7:0] p_slot,
    output wire [ 2:0] p_field,
    output wire        st_we,
    input  wire        st_re,
    output wire [15:0] st_addr,
    input  wire        f_step,
    output wire [13:0] f_addr
);
    reg [15:0] n_wb_q;
    reg [7:0] n_cm_q;
    reg [7:0] n_om_q;
    reg [15:0] wb_q;
    reg [9:0] cm_q;  // slot, bank
    reg cm_quad_q;
    reg [7:0] om_q;
    reg [10:0] qm_q;  // slot, field
    reg [13:0] f_addr_q;
    reg keep_q;  // to be written to the store
    reg [15:0] store_q;

    // Section of the word: the first with words left.
    wire in_wb = n_wb_q != 16'd0;
    wire in_cm = !in_wb && n_cm_q != 8'd0;
    wire in_om = !in_wb && !in_cm && n_om_q != 8'd0;
    wire in_qm = !in_wb && !in_cm && !in_om;

    assign wb_we = put && in_wb;
    assign wb_addr = wb_q;
    assign p_we = put && !in_wb && !(in_qm && qm_q[2:0] == 3'd7);
    assign p_sel = in_cm ? 2'd0 : in_om ? 2'd1 : 2'd2;
    assign p_slot = in_cm ? cm_q[9:2] : in_om ? om_q : qm_q[10:3];
    assign p_field = in_qm ? qm_q[2:0] : in_cm ? {1'b0, cm_q[1:0]} : 3'd0;
    assign st_we = put && keep_q;
    assign st_addr = store_q;
    assign f_addr = f_addr_q;

    always @(posedge clk) begin
        if (put) begin
            if (in_wb) begin
                n_wb_q <= n_wb_q - 16'd1;
                wb_q   <= wb_q + 16'd1;
            end
            if (in_cm) begin
                n_cm_q <= n_cm_q - 8'd1;
                cm_q   <= cm_q + (cm_quad_q ? 10'd1 : 10'd4);
            end
            if (in_om) begin
                n_om_q <= n_om_q - 8'd1;
                om_q   <= om_q + 8'd1;
            end
            if (in_qm) qm_q <= qm_q + 11'd1;
        end
        if (st_we || st_re) store_q <= store_q + 16'd1;
        if (f_step) f_addr_q <= f_addr_q + 14'd1;
        if (take) begin
            f_addr_q <= place[13:0];
            n_wb_q <= n_wb;
            n_cm_q <= n_cm;
            n_om_q <= n_om;
            wb_q <= place;
            cm_q <= {cm, 2'd0};
            cm_quad_q <= cm_quad;
            om_q <= om;
            qm_q <= {qm, 3'd0};
            keep_q <= keep;
            store_q <= store;
        end
    end
endmodule
`default_nettype wire
