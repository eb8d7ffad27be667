// bit_memory: BM_ROWS rows of KW bits in four banks; an element is L = LANES bits, KW/L a row.
//
// Element e is bits [(e mod KW/L) * L +: L] of row r = e / (KW/L); row r is row r / 4 of bank r mod
// 4.
// One element write a cycle (element address) and one read of every bank a cycle: four rows with
// different r mod 4 come at once, each at its own address.
// Latency: `rows` holds row raddr[14*b +: 14] of bank b in [b*KW +: KW] two cycles after `re`
// (block RAM and its output register). A read in the cycle of a write to the same element returns
// the old bits. Rows past BM_ROWS do not exist: the caller never uses what such an address reads.
// Reset: none. Cost: four block RAMs of BM_ROWS/4 x KW bits with one write enable per element: for
// every 2,048 rows 8 RAMB36 at KW = 128, 16 at KW = 256; 4 KW FF unless the RAM's own are taken.
`default_nettype none
module bit_memory #(
    parameter LANES = 16,
    parameter KW = 128,      // a power-of-two multiple of LANES
    parameter BM_ROWS = 512  // 8 .. 65536
) (
    input  wire             clk,
    input  wire             we,
    input  wire [     15:0] waddr,
    input  wire [LANES-1:0] wdata,
    input  wire             re,
    input  wire [ 4*14-1:0] raddr,
    output wire [ 4*KW-1:0] rows
);
    localparam EPR = KW / LANES;                  // elements per row
    localparam EW = $clog2(EPR);
    localparam DEPTH = (BM_ROWS + 3) / 4;         // rows of a bank
    localparam RW = $clog2(DEPTH);

    generate
        if (EPR * LANES != KW || (1 << EW) != EPR) begin : gen_bad_kw
            ERROR_bit_memory_KW_must_be_LANES_times_a_power_of_two u_stop ();
        end
        if (BM_ROWS < 8 || BM_ROWS > 65536) begin : gen_bad_rows
            ERROR_bit_memory_BM_ROWS_must_be_8_to_65536 u_stop ();
        end
    endgenerate

    wire [15:0] wrow = waddr >> EW;
    wire unused = &{1'b0, waddr, wrow, raddr};

    genvar b, e;
    generate
        for (b = 0; b < 4; b = b + 1) begin : gen_bank
            (* ram_style = "block" *)
            reg [KW-1:0] mem[0:DEPTH-1];
            reg [KW-1:0] read_q;
            reg [KW-1:0] row_q;
            for (e = 0; e < EPR; e = e + 1) begin : gen_element
                wire write;
                if (EPR == 1) begin : gen_one
                    assign write = we && wrow[1:0] == b;
                end else begin : gen_many
                    assign write = we && wrow[1:0] == b && waddr[EW-1:0] == e;
                end
                always @(posedge clk) if (write) mem[wrow[2+:RW]][e*LANES+:LANES] <= wdata;
            end
            always @(posedge clk) begin
                if (re) read_q <= mem[raddr[14*b+:RW]];
                row_q <= read_q;
            end
            assign rows[b*KW+:KW] = row_q;
        end
    endgenerate
endmodule
`default_nettype wire
