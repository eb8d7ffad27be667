// bit_memory: BM_ROWS rows of KW bits; an element is L = LANES bits, KW/L elements a row.
//
// Element e is bank e mod (KW/L) of row e / (KW/L): bits [bank*L +: L]. One element write and one
// row read per cycle; addresses are element addresses.
// Latency: `row` holds the row of `raddr` two cycles after `re` (block RAM and its output register).
// A read in the cycle of a write to the same element returns the old bits. Rows past BM_ROWS do not
// exist: the caller never uses what such an address reads.
// Reset: none. Cost: BM_ROWS x KW bits of block RAM with one write enable per element.
module bit_memory #(
    parameter LANES = 16,
    parameter KW = 128,      // a power-of-two multiple of LANES
    parameter BM_ROWS = 512  // 2 .. 65536
) (
    input  wire             clk,
    input  wire             we,
    input  wire [     15:0] waddr,
    input  wire [LANES-1:0] wdata,
    input  wire             re,
    input  wire [     15:0] raddr,
    output reg  [   KW-1:0] row
);
    localparam BANKS = KW / LANES;
    localparam EW = $clog2(BANKS);
    localparam RW = $clog2(BM_ROWS);

    generate
        if (BANKS * LANES != KW || (1 << EW) != BANKS) begin : gen_bad_kw
            ERROR_bit_memory_KW_must_be_LANES_times_a_power_of_two u_stop ();
        end
        if (BM_ROWS < 2 || BM_ROWS > 65536) begin : gen_bad_rows
            ERROR_bit_memory_BM_ROWS_must_be_2_to_65536 u_stop ();
        end
    endgenerate

    wire [15:0] wrow = waddr >> EW;
    wire [15:0] rrow = raddr >> EW;
    wire unused = &{1'b0, wrow, raddr, rrow};

    reg [KW-1:0] mem[0:BM_ROWS-1];
    reg [KW-1:0] read_q;

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : gen_bank
            wire write;
            if (BANKS == 1) begin : gen_one
                assign write = we;
            end else begin : gen_many
                assign write = we && waddr[EW-1:0] == b;
            end
            always @(posedge clk) if (write) mem[wrow[RW-1:0]][b*LANES+:LANES] <= wdata;
        end
    endgenerate

    always @(posedge clk) begin
        if (re) read_q <= mem[rrow[RW-1:0]];
        row <= read_q;
    end
endmodule
